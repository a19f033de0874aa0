"""`python -m dev.openapi [--check | --record]`: writes `docs/reference/api.md`.

`--check` writes nothing, and fails when the page is out of date. `--record` first starts a
dispatcher that takes payment, calls and pays it, and records what it answers for examples.
"""

import json
import sys

from dev.errors import UsageError, run_command_line
from dev.layout import HERE
from dev.openapi.page import is_current, written
from dev.openapi.record import record


def main() -> int:
    """Write the page, or look whether it is as it would be written."""
    match sys.argv[1:]:
        case []:
            pass
        case ["--record"]:
            examples = json.dumps(record(HERE), indent=2, ensure_ascii=False)
            HERE.api_examples.write_text(f"{examples}\n")
        case ["--check"]:
            return 0 if is_current(HERE) else 1
        case _:
            raise UsageError("usage: python -m dev.openapi [--check | --record]")
    HERE.api_reference.write_text(written(HERE))
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
