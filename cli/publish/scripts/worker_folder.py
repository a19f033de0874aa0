"""Builds the script of a Worker in JavaScript or Python: a file, or a folder with a configuration.

Nothing is compiled or bundled: TypeScript and npm packages must be built into modules first.
"""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from cli.publish.scripts.bundle import MEDIA_TYPES, MODULES_MAX, Bundle, Module
from cli.publish.scripts.templates import COMPATIBILITY_DATE
from cli.publish.scripts.worker_config import CONFIG_FILES, WorkerConfig, read_config
from cli.publish.validation import Findings
from dev.layout import HERE

FILE_ENDINGS: Final = (".js", ".mjs", ".py")
MAINS: Final = ("index.js", "index.mjs", "main.py", "index.py", "entry.py")
"""The main modules to look for, in this order, if the configuration has none."""

IGNORED: Final = ("node_modules", "__pycache__")
PYTHON_FLAG: Final = "python_workers"
PACKAGES: Final = "python_modules/"
"""The folder of a Python script's packages; all its files are uploaded."""

SDK: Final = f"{PACKAGES}workers/"
SDK_DATE: Final = "2026-04-21"
BUILT_IN_SDK_FLAG: Final = "disable_python_external_sdk"
"""From this compatibility date on, the runtime has no SDK of its own without this flag."""

GLOBAL_HANDLERS_UNTIL: Final = "2025-08-14"
GLOBAL_HANDLERS_FLAG: Final = "disable_python_no_global_handlers"
"""From this compatibility date on, functions are no handlers without this flag."""

_HANDLER: Final = "on_fetch"
_ENTRYPOINT: Final = "Default"


def worker_bundle(path: Path) -> Bundle:
    """Return the script of a file or folder.

    Args:
        path: A module, or a folder with one of `MAINS` or a configuration with `main`.

    Raises:
        InputError: The Worker is invalid; the findings list all mistakes.
    """
    findings = Findings()
    if path.is_file():
        root, config, main, names = path.parent, WorkerConfig(), path.name, [path.name]
    else:
        root = path
        config = _config(path, findings)
        main = config.main.removeprefix("./")
        names = sorted(_files(path, findings))
        if not main:
            main = next((name for name in MAINS if name in names), "")
        _check_main(path, main, names, findings)
    if len(names) > MODULES_MAX:
        findings.add(f"{len(names):,} files; the limit is {MODULES_MAX:,}", path.name)
    findings.refuse("The Worker")
    is_python = main.endswith(".py")
    modules = [
        Module(name, (root / name).read_bytes())
        for name in _module_names(names, main, is_python=is_python)
    ]
    if is_python:
        home = PurePosixPath(main).parent
        modules = [Module(_relative_to(home, one.name), one.content) for one in modules]
        main = PurePosixPath(main).name
        _refuse_global_handler(modules, main, config, findings)
        date = config.compatibility_date or COMPATIBILITY_DATE
        if date >= SDK_DATE and BUILT_IN_SDK_FLAG not in config.compatibility_flags:
            modules += _missing_sdk(modules, findings)
    else:
        _refuse_json(root, modules, findings)
    findings.refuse("The Worker")
    flags = config.compatibility_flags
    if is_python and PYTHON_FLAG not in flags:
        flags = (*flags, PYTHON_FLAG)
    bundle = Bundle(
        kind="python" if is_python else "javascript",
        main=main,
        modules=modules,
        compatibility_date=config.compatibility_date or COMPATIBILITY_DATE,
        compatibility_flags=flags,
        variables=config.variables,
        namespaces=config.namespaces,
    )
    bundle.check()
    return bundle


def _config(folder: Path, findings: Findings) -> WorkerConfig:
    for name in CONFIG_FILES:
        if (folder / name).is_file():
            return read_config(folder / name, findings)
    return WorkerConfig()


def _files(folder: Path, findings: Findings, within: str = "") -> Iterator[str]:
    """Yield the paths of all modules below a folder, by the same rules as `make dev`."""
    for entry in sorted((folder / within).iterdir()):
        name = f"{within}{entry.name}"
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        if entry.is_symlink() and not entry.resolve().is_relative_to(folder.resolve()):
            findings.add("a symbolic link to a file outside the folder", name)
        elif entry.is_dir():
            yield from _files(folder, findings, f"{name}/")
        elif entry.suffix in MEDIA_TYPES or name.startswith(PACKAGES):
            yield name


def _check_main(folder: Path, main: str, names: Sequence[str], findings: Findings) -> None:
    if not main:
        findings.add(
            f"no main module: add one of {', '.join(MAINS)}, or a configuration with main",
            folder.name,
        )
    elif main.endswith((".ts", ".tsx")):
        findings.add(f"main is {main}: compile it, and name the JavaScript module", folder.name)
    elif main not in names:
        findings.add(f"the main module {main} does not exist", folder.name)


def _module_names(names: Sequence[str], main: str, *, is_python: bool) -> list[str]:
    """Return the modules in the main module's language, and other files such as text."""
    others = (".js", ".mjs") if is_python else (".py",)
    home = f"{PurePosixPath(main).parent}/"
    roots = (home, PACKAGES) if is_python and home != "./" else ("",)
    return [
        name
        for name in names
        if name.startswith(roots)
        and ((is_python and name.startswith(PACKAGES)) or not name.endswith(others))
    ]


def _refuse_global_handler(
    modules: Sequence[Module], main: str, config: WorkerConfig, findings: Findings
) -> None:
    """Add a mistake if the handler is a function, which would load and never be called."""
    date = config.compatibility_date or COMPATIBILITY_DATE
    if date < GLOBAL_HANDLERS_UNTIL or GLOBAL_HANDLERS_FLAG in config.compatibility_flags:
        return
    code = next(one.content for one in modules if one.name == main)
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        # Cloudflare's error has the line.
        return
    lines = [
        one.lineno
        for one in tree.body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == _HANDLER
    ]
    names = {name for one in ast.walk(tree) for name in _names_bound_by(one)}
    if lines and not names & {_ENTRYPOINT, "*"}:
        findings.add(
            f"{_HANDLER} is not called: move it into `class {_ENTRYPOINT}(WorkerEntrypoint)` as the"
            f" method `fetch(self, request)`, or add the compatibility flag {GLOBAL_HANDLERS_FLAG}",
            main,
            lines[0],
        )


def _names_bound_by(node: ast.AST) -> Sequence[str]:
    match node:
        case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
            return (name,)
        case ast.alias(name=name, asname=other):
            return (other or name,)
    return ()


def _missing_sdk(modules: Sequence[Module], findings: Findings) -> Iterator[Module]:
    """Yield the files of this clone's SDK, unless the script has its own."""
    if any(one.name.startswith(SDK) for one in modules):
        return
    folder = HERE.python_modules
    files = [*_files(folder.parent, findings, PACKAGES)] if folder.is_dir() else []
    if not any(name.startswith(SDK) for name in files):
        findings.add(
            "the Python SDK is missing: run `make clawr`, or add the package `workers` to"
            " python_modules/ with `pywrangler sync`"
        )
        return
    taken = {one.name for one in modules}
    for name in files:
        if name not in taken:
            yield Module(name, (folder.parent / name).read_bytes())


def _relative_to(home: PurePosixPath, name: str) -> str:
    path = PurePosixPath(name)
    return str(path.relative_to(home)) if path.is_relative_to(home) else name


def _refuse_json(root: Path, modules: Sequence[Module], findings: Findings) -> None:
    """Add a mistake for each JSON file that a module imports: uploads do not support them."""
    code = b"\n".join(one.content for one in modules if one.name.endswith((".js", ".mjs")))
    for file in sorted(root.glob("**/*.json")):
        is_named = f'/{file.name}"'.encode() in code or f"/{file.name}'".encode() in code
        if is_named and not set(file.relative_to(root).parts) & set(IGNORED):
            findings.add(
                "JSON modules are not supported: use `export default …` in a .js file",
                str(file.relative_to(root)),
            )
