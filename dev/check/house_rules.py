"""The rules of this repository that no linter knows.

- No module is longer than 400 lines, unless pyproject.toml (`[tool.clawr.long-modules]`)
  says why it is.
- No module of `src/` is named like one of the standard library: in a Worker it would
  take that one's place. None anywhere is named `utils`, `helpers` or `common`.
- Lock files name versions and hashes, never the address of a registry.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from dev.layout import Layout

MAXIMUM_LINES = 400
VAGUE_NAMES = {"utils", "helpers", "common"}
_REGISTRY = re.compile(r'"resolved":\s*"(?!dev/)|^(\S*:)?registry\s*=', re.MULTILINE)
MEASURED_SUFFIXES = {".py", ".js", ".mjs", ".sh", ".css"}


def broken_rules(layout: Layout) -> list[str]:
    """Return a line for each broken rule.

    Args:
        layout: The clone.
    """
    files = [layout.root / name for name in tracked_files(layout)]
    pyproject = tomllib.loads((layout.root / "pyproject.toml").read_text())
    reasons = pyproject.get("tool", {}).get("clawr", {}).get("long-modules", {})
    return [
        *long_modules(layout.root, files, reasons),
        *bad_names(layout.root, files),
        *addresses_in_locks(layout),
    ]


def tracked_files(layout: Layout) -> list[str]:
    """Return the files that git tracks or would, relative to the clone, existing ones only."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=layout.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (layout.root / name).is_file()]


def long_modules(root: Path, files: list[Path], reasons: dict[str, str]) -> list[str]:
    """Return a line for each module that is too long, and each reason no longer needed.

    Args:
        root: The clone's top folder.
        files: Which files there are.
        reasons: Relative path to the reason why that module may be longer.
    """
    lengths = {
        str(path.relative_to(root)): len(path.read_bytes().splitlines())
        for path in files
        if path.suffix in MEASURED_SUFFIXES
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > MAXIMUM_LINES}
    return [
        *(
            f"{name}: {lines} lines; split it below {MAXIMUM_LINES}, or give the reason in "
            "pyproject.toml under [tool.clawr.long-modules]."
            for name, lines in too_long.items()
            if not reasons.get(name)
        ),
        *(
            f"pyproject.toml: {name} needs no place in [tool.clawr.long-modules]."
            for name in reasons
            if name not in too_long
        ),
    ]


def bad_names(root: Path, files: list[Path]) -> list[str]:
    """Return a line for each module whose name is vague or taken."""
    broken = []
    for path in files:
        name = path.relative_to(root)
        if path.stem in VAGUE_NAMES:
            broken.append(f"{name}: call it after the one idea that it holds.")
        if name.parts[0] == "src" and path.suffix == ".py" and path.stem in sys.stdlib_module_names:
            broken.append(f"{name}: would shadow the standard library's module {path.stem}.")
    return broken


def addresses_in_locks(layout: Layout) -> list[str]:
    """Return a line for each lock file with an address of a registry in it."""
    locks = sorted(layout.locks.glob("*.txt"))
    npm = [
        folder / name
        for folder in (layout.root, layout.economy)
        if folder.is_dir()
        for name in ("package-lock.json", ".npmrc")
    ]
    naming = [
        *(path for path in locks if "://" in path.read_text()),
        *(path for path in npm if _REGISTRY.search(path.read_text())),
    ]
    return [
        f"{path.relative_to(layout.root)}: names an address; run python -m dev.relock."
        for path in naming
    ]
