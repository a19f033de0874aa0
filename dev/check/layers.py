"""Checks that the imports of `src/` point down only.

`LAYERS` lists the packages from top to bottom. A module may import from the packages below
its own, and from its own package, where modules must not import each other in a circle.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from dev.layout import Layout

LAYERS = (
    "entry",
    "gateway",
    "api",
    "analytics",
    "snapshots",
    "payments",
    "usage",
    "tenants",
    "metering",
    "runtime",  # Only `entry` may import it; it may import only `core`.
    "core",
)

_JAVASCRIPT = {"js", "pyodide", "workers"}
"""Modules that exist only in the Workers runtime."""


def check_layers(layout: Layout) -> bool:
    """Print each import that breaks a rule; return whether there is none.

    Args:
        layout: The clone.
    """
    broken = list(broken_imports(layout.root / "src"))
    for line in broken:
        print(line)
    return not broken


def broken_imports(source: Path) -> Iterator[str]:
    """Yield a line for each import that breaks a rule, each unknown package and each circle.

    Args:
        source: The folder `src`.
    """
    paths = sorted(source.rglob("*.py"))
    modules = {_module(source, path): path for path in paths}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        package = module.partition(".")[0]
        if package not in LAYERS:
            yield f"{path}: the package {package} is missing from LAYERS (dev/check/layers.py)."
            continue
        graph[module] = set()
        for line, imported in _imports(ast.parse(path.read_bytes())):
            target = imported if imported in modules else imported.rpartition(".")[0]
            if target in modules:
                graph[module].add(target)
            below = imported.partition(".")[0]
            if below != package and not _may_import(package, below):
                yield f"{path}:{line}: {package} may not import {below}."
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"{source}: modules import each other in a circle: {' -> '.join(error.args[1])}."


def _may_import(package: str, imported: str) -> bool:
    if imported in _JAVASCRIPT:
        return package == "runtime"
    if imported not in LAYERS:
        return True  # The standard library; mypy checks these imports.
    if package == "runtime":
        return imported == "core"
    if imported == "runtime":
        return package == "entry"
    return LAYERS.index(package) < LAYERS.index(imported)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of every import, including those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _module(source: Path, path: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
