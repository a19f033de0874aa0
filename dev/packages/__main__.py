"""`python -m dev.packages [FOLDER]`: packs `clawr` and the local dispatch namespace.

FOLDER (default: `dist`) gets a wheel and an sdist of `clawr`, and the tarball of the npm package.
"""

import ast
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dev.errors import SetupError, run_command_line
from dev.layout import HERE, Layout
from dev.setup.node import ensure_node

CLONE_ONLY: Final = ("cli.deploy.run", "cli.doctor.machine")
"""Modules that work in a clone only; `clawr` imports them only there."""

EMPTY: Final = Path("dev/launch/__init__.py")
"""Imports the launcher, which `clawr` does not need; the package has it without content."""

DATA: Final = ("wrangler.toml",)
"""Files that the modules read, besides the templates beside them."""

TEMPLATES: Final = "cli/publish/scripts/templates"


def pack_command(layout: Layout, output: Path) -> None:
    """Write the wheel and the sdist of `clawr`.

    Args:
        layout: The clone.
        output: The folder to write them to.

    Raises:
        SetupError: uv failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_project(layout, folder)
        _run([layout.venv / "bin" / "uv", "build", "--quiet", "--out-dir", output], folder)


def copy_project(layout: Layout, folder: Path) -> None:
    """Copy the project `clawr` to an empty folder: its metadata, and the modules that it imports.

    Args:
        layout: The clone.
        folder: The folder.
    """
    source = layout.root / "dev" / "packages" / "clawr"
    package = folder / "clawr"
    (folder / "pyproject.toml").write_text(_metadata(layout, source / "pyproject.toml"))
    shutil.copy(source / "README.md", folder)
    templates = layout.root / TEMPLATES
    files = {
        *imported_files(layout.root),
        *(file.relative_to(layout.root) for file in templates.rglob("*.js")),
        *map(Path, DATA),
    }
    for file in files:
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(layout.root / file, package / file)
    (package / EMPTY).write_text("")
    for file in source.glob("*.py"):
        shutil.copy(file, package)
    (package / "py.typed").touch()


def imported_files(root: Path) -> set[Path]:
    """Return the modules that the command imports, directly or not, relative to the clone."""
    found: set[Path] = set()
    modules = ["cli.app", "cli.__main__"]
    while modules:
        module = modules.pop()
        if module in CLONE_ONLY:
            continue
        file = _file_of(root, module)
        if file is None or file in found:
            continue
        found.add(file)
        if file != EMPTY:
            modules += _imports(root / file)
    return found


def pack_dispatch_namespace(layout: Layout, output: Path) -> None:
    """Write the tarball of the npm package.

    Args:
        layout: The clone.
        output: The folder to write it to.

    Raises:
        SetupError: npm failed.
    """
    node = ensure_node(layout, lock=0)
    package = layout.root / "dev" / "dispatch-namespace"
    _run([node.node, node.npm_cli, "pack", "--silent", "--pack-destination", output], package)


def _metadata(layout: Layout, file: Path) -> str:
    """Return pyproject.toml with the versions that this clone is tested with."""
    text = file.read_text()
    version = tomllib.loads((layout.root / "pyproject.toml").read_text())["project"]["version"]
    run, tools = ((layout.locks / f"{name}.txt").read_text() for name in ("run", "tools"))
    for name in tomllib.loads(text)["project"]["dependencies"]:
        text = text.replace(f'"{name}"', f'"{name}=={_locked(run, name)}"')
    uv = _locked(tools, "uv")
    return text.replace('version = "0"', f'version = "{version}"').replace(
        'requires = ["uv_build"]', f'requires = ["uv_build=={uv}"]'
    )


def _locked(lock: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}==(\S+)", lock, re.MULTILINE)
    if found is None:
        raise SetupError(f"{name} is not locked: run python -m dev.relock.")
    return found[1]


def _imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file may import, with their packages."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _file_of(root: Path, module: str) -> Path | None:
    for base in (Path(), Path("src")):
        path = base.joinpath(*module.split("."))
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if (root / file).is_file():
                return file
    return None


def _run(command: Sequence[str | Path], folder: Path) -> None:
    if subprocess.run(command, cwd=folder, check=False).returncode != 0:
        raise SetupError(f"{Path(command[0]).name} could not pack it; see its message above.")


def main() -> int:
    """Pack both packages, and print the files."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").absolute()
    output.mkdir(parents=True, exist_ok=True)
    pack_command(HERE, output)
    pack_dispatch_namespace(HERE, output)
    for file in sorted(output.glob("[!.]*")):
        print(f"{file} ({file.stat().st_size:,} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(main))
