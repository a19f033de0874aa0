"""Rules of this repository that no linter checks.

- A module has at most 400 lines, unless pyproject.toml (`[tool.clawr.long-modules]`) gives
  the reason why it is longer.
- `src/` has at most 12 entries, and each of its packages at most 15 modules.
- Nothing directly in `src/` has the name of a module of the standard library, which it would
  shadow in the Worker. No module is named `utils`, `helpers` or `common`.
- Lock files have versions and hashes, but no address of a registry.
- No link in the repository leads out of it.
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from dev.layout import Layout

MAXIMUM_LINES = 400
MAXIMUM_SOURCE_ENTRIES = 12
MAXIMUM_PACKAGE_MODULES = 15
VAGUE_NAMES = {"utils", "helpers", "common"}
MEASURED_SUFFIXES = {".py", ".js", ".mjs", ".sh", ".css"}
_REGISTRY = re.compile(r'"resolved":\s*"(?!dev/)|^(\S*:)?registry\s*=', re.MULTILINE)


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
        *large_folders(layout.root, files),
        *bad_names(layout.root, files),
        *addresses_in_locks(layout),
        *links_out(layout.root, listed_names(layout, "--cached")),
    ]


def tracked_files(layout: Layout) -> list[str]:
    """Return the existing files that git tracks or does not ignore, relative to the clone."""
    names = listed_names(layout, "--cached", "--others", "--exclude-standard")
    return [name for name in names if (layout.root / name).is_file()]


def listed_names(layout: Layout, *options: str) -> list[str]:
    """Return what `git ls-files` lists with these options, relative to the clone."""
    listed = subprocess.run(
        ["git", "ls-files", *options, "-z"],  # noqa: S607
        cwd=layout.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]


def long_modules(root: Path, files: list[Path], reasons: dict[str, str]) -> list[str]:
    """Return a line for each module that is too long, and for each reason no longer needed.

    Args:
        root: The clone's top folder.
        files: The files of the clone.
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
            f"pyproject.toml: {name} needs no entry in [tool.clawr.long-modules]."
            for name in reasons
            if name not in too_long
        ),
    ]


def large_folders(root: Path, files: list[Path]) -> list[str]:
    """Return a line if `src/` has too many entries, and for each package with too many modules.

    Args:
        root: The clone's top folder.
        files: The files of the clone.
    """
    names = [path.relative_to(root) for path in files]
    sources = [name for name in names if name.parts[0] == "src"]
    entries = {name.parts[1] for name in sources}
    modules = Counter(
        name.parent
        for name in sources
        if name.suffix == ".py" and name.stem != "__init__" and len(name.parts) > len(("src", "x"))
    )
    broken = [
        f"{folder}: {count} modules; group them into packages of at most {MAXIMUM_PACKAGE_MODULES}."
        for folder, count in sorted(modules.items())
        if count > MAXIMUM_PACKAGE_MODULES
    ]
    if len(entries) > MAXIMUM_SOURCE_ENTRIES:
        broken.append(f"src: {len(entries)} entries; at most {MAXIMUM_SOURCE_ENTRIES} are allowed.")
    return broken


def bad_names(root: Path, files: list[Path]) -> list[str]:
    """Return a line for each module whose name is vague or taken.

    Args:
        root: The clone's top folder.
        files: The files of the clone.
    """
    broken = []
    for path in files:
        name = path.relative_to(root)
        if path.stem in VAGUE_NAMES:
            broken.append(f"{name}: name it after what it contains.")
        taken = Path(name.parts[1]).stem if name.parts[0] == "src" else ""
        if path.suffix == ".py" and taken in sys.stdlib_module_names:
            broken.append(f"{name}: shadows the standard library's module {taken}.")
    return broken


def addresses_in_locks(layout: Layout) -> list[str]:
    """Return a line for each lock file that contains the address of a registry.

    Args:
        layout: The clone.
    """
    locks = sorted(layout.locks.glob("*.txt"))
    npm = [
        folder / name
        for folder in (layout.root, layout.economy)
        if folder.is_dir()
        for name in ("package-lock.json", ".npmrc")
    ]
    with_address = [
        *(path for path in locks if "://" in path.read_text()),
        *(path for path in npm if _REGISTRY.search(path.read_text())),
    ]
    return [
        f"{path.relative_to(layout.root)}: contains an address; run python -m dev.relock."
        for path in with_address
    ]


def links_out(root: Path, names: list[str]) -> list[str]:
    """Return a line for each link that leads out of the clone.

    Args:
        root: The clone's top folder.
        names: What git tracks, relative to the clone.
    """
    links = [root / name for name in names if (root / name).is_symlink()]
    return [
        f"{path.relative_to(root)}: leads out of the clone; remove it with git rm --cached."
        for path in links
        if not (path.parent / path.readlink()).resolve().is_relative_to(root.resolve())
    ]
