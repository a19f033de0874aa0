"""DESIGN's layers, checked with import-linter.

A Worker's modules lie flat in `src/`, and import-linter wants a package. So the check
looks at a copy: a package `worker` whose modules import each other by that name.
"""

import ast
import os
import subprocess
import tempfile
from pathlib import Path

from dev.layout import Layout

PACKAGE = "worker"
CONTRACTS = Path(__file__).with_name("layers.ini")


def check_layers(layout: Layout) -> bool:
    """Check the contracts of `layers.ini`; print what breaks them.

    Args:
        layout: The clone.

    Returns:
        Whether they are kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_package(layout.root / "src", Path(folder) / PACKAGE)
        completed = subprocess.run(
            [layout.venv / "bin" / "lint-imports", "--config", CONTRACTS, "--no-cache"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if completed.returncode != 0:
        print(completed.stdout, completed.stderr, sep="", end="", flush=True)
    return completed.returncode == 0


def write_package(source: Path, package: Path) -> None:
    """Write the modules of a folder as a package.

    Args:
        source: The folder with the modules.
        package: The package's folder, to be made.
    """
    package.mkdir()
    (package / "__init__.py").touch()
    modules = sorted(source.glob("*.py"))
    names = {path.stem for path in modules}
    for path in modules:
        tree = packaged(ast.parse(path.read_bytes(), filename=str(path)), names)
        (package / path.name).write_text(ast.unparse(tree))


def packaged(tree: ast.Module, siblings: set[str]) -> ast.Module:
    """Return a module with its imports of siblings changed to imports from the package.

    Args:
        tree: The module.
        siblings: The names of the modules that become part of the package.
    """

    class Renaming(ast.NodeTransformer):
        def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
            outside = [alias for alias in node.names if alias.name not in siblings]
            inside = [alias for alias in node.names if alias.name in siblings]
            statements: list[ast.stmt] = []
            if outside:
                statements.append(ast.Import(names=outside))
            if inside:
                statements.append(ast.ImportFrom(module=PACKAGE, names=inside, level=0))
            return statements

        def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
            if node.module in siblings:
                node.module = f"{PACKAGE}.{node.module}"
            return node

    changed = ast.fix_missing_locations(Renaming().visit(tree))
    assert isinstance(changed, ast.Module)
    return changed
