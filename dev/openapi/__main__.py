"""`python -m dev.openapi [--check | --record]`: writes the OpenAPI document and its page.

`--check` writes nothing, and fails if a file is out of date. `--record` first starts a
dispatcher that accepts payments, calls and pays it, and records its responses as examples.
"""

import json
import sys

from dev.errors import UsageError, run_command_line
from dev.layout import HERE
from dev.openapi.generated import are_current, write_files
from dev.openapi.record import record


def main() -> int:
    """Write the files, or check them; return the exit code."""
    match sys.argv[1:]:
        case []:
            pass
        case ["--record"]:
            examples = json.dumps(record(HERE), indent=2, ensure_ascii=False)
            HERE.api_examples.write_text(f"{examples}\n")
        case ["--check"]:
            return 0 if are_current(HERE) else 1
        case _:
            raise UsageError("usage: python -m dev.openapi [--check | --record]")
    write_files(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
