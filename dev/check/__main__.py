"""`python -m dev.check [--fix]`: runs every check and says which ones failed.

All checks run even if one fails. `--fix` formats the code and applies the automatic fixes of
the linters, and checks nothing.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.check.house_rules import broken_rules
from dev.check.layers import check_layers
from dev.errors import SetupError, run_command_line
from dev.layout import HERE, Layout
from dev.openapi.generated import are_current
from dev.setup.node import find_node

PYTHON_FOLDERS = ("src", "dev", "tests", "cli", "bench")
"""The folders with Python code; missing ones are skipped."""

_COMMAND_REFERENCE = (HERE.python, "-m", "cli.command_reference", "--check")
_FIGURES = ("env", "PYTHONPATH=src", HERE.python, "-m", "bench.report", "--check")


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Args:
        name: What it checks, in a word or two.
        run: Returns whether it passed; prints what failed.
    """

    name: str
    run: Callable[[], bool]


def checks(layout: Layout) -> list[Check]:
    """Return all checks, the fastest first."""
    folders = _folders(layout)
    return [
        Check("house rules", lambda: _house_rules(layout)),
        Check("format", lambda: _tool(layout, "ruff", "format", "--check", *folders)),
        Check("lint", lambda: _tool(layout, "ruff", "check", *folders)),
        Check("OpenAPI files", lambda: are_current(layout)),
        # A separate process: `cli` imports this package, so this package must not import `cli`.
        Check("command reference", lambda: _run(layout, _COMMAND_REFERENCE)),
        # A separate process, because it loads matplotlib.
        Check("figures", lambda: _run(layout, _FIGURES)),
        Check("layers", lambda: check_layers(layout)),
        Check("JavaScript", lambda: _biome(layout, "ci", "--error-on-warnings")),
        Check("JavaScript types", lambda: _typescript(layout)),
        Check("types", lambda: _tool(layout, "mypy", *folders)),
    ]


def main() -> int:
    """Run the checks, or with `--fix` the automatic fixes."""
    if sys.argv[1:] == ["--fix"]:
        return 0 if _fix(HERE) else 1
    failed = []
    for check in checks(HERE):
        started = time.monotonic()
        passed = check.run()
        seconds = time.monotonic() - started
        print(f"{'ok    ' if passed else 'FAILED'} {check.name} ({seconds:.1f} s)", flush=True)
        if not passed:
            failed.append(check.name)
    if failed:
        print(f"make check: failed: {', '.join(failed)}. `make format` fixes what tools can fix.")
        return 1
    print("make check: all passed.")
    return 0


def _fix(layout: Layout) -> bool:
    folders = _folders(layout)
    succeeded = [
        _tool(layout, "ruff", "check", "--fix", *folders),
        _tool(layout, "ruff", "format", *folders),
        _biome(layout, "check", "--write"),
    ]
    return all(succeeded)


def _folders(layout: Layout) -> list[str]:
    return [name for name in PYTHON_FOLDERS if (layout.root / name).is_dir()]


def _house_rules(layout: Layout) -> bool:
    broken = broken_rules(layout)
    for line in broken:
        print(line)
    return not broken


def _tool(layout: Layout, name: str, *arguments: str) -> bool:
    return _run(layout, [layout.venv / "bin" / name, *arguments])


def _biome(layout: Layout, *arguments: str) -> bool:
    program = layout.node_modules / "@biomejs" / "biome" / "bin" / "biome"
    return _run(layout, [find_node(layout), program, *arguments, "--colors=off"])


def _typescript(layout: Layout) -> bool:
    projects = (
        layout.root / "dev" / "dispatch-namespace",
        layout.economy,
        # Here and not in public/, because everything in public/ is deployed.
        Path(__file__).with_name("page.tsconfig.json"),
        Path(__file__).with_name("templates.tsconfig.json"),
        Path(__file__).with_name("worker.tsconfig.json"),
    )
    program = layout.node_modules / "typescript" / "bin" / "tsc"
    passed = [_run(layout, [find_node(layout), program, "--project", name]) for name in projects]
    return all(passed)


def _run(layout: Layout, command: Sequence[str | Path]) -> bool:
    try:
        completed = subprocess.run(
            [str(part) for part in command],
            cwd=layout.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(f"{error.filename} is missing: run this through `make check`.") from error
    if completed.returncode != 0:
        print(completed.stdout, completed.stderr, sep="", end="", flush=True)
    return completed.returncode == 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
