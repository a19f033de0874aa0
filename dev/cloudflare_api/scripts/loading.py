"""Loads an uploaded script in workerd, as Cloudflare does before it accepts an upload.

workerd compiles the modules and runs their top level: syntax errors, missing modules and packages,
and exceptions are found, with workerd's own texts. Handlers are not called.
"""

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dev.cloudflare_api.responses import INVALID_SCRIPT, NO_HANDLERS, InvalidError
from dev.cloudflare_api.scripts.upload import Module, Script
from dev.layout import HERE
from dev.setup.machine import Machine
from dev.setup.npm import workerd_binary
from dev.setup.pyodide_bundle import find_bundle

PYTHON_FLAGS: Final = ("python_workers_development", "experimental")
"""With these flags workerd loads the local Pyodide bundle; the launcher passes the same ones."""

SECONDS_MAX: Final = {False: 30.0, True: 120.0}
"""By whether the script is Python: far above what loading takes on the slowest known machine."""

_KINDS: Final = {
    "application/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "commonJsModule",
    "text/x-python": "pythonModule",
    "application/json": "json",
    "application/wasm": "wasm",
    "text/plain": "text",
    "text/html": "text",
    "text/css": "text",
    "text/markdown": "text",
}
"""workerd's kind of module by media type; others are data."""

_OLDEST_DATE: Final = "2021-11-02"
"""The compatibility date of scripts that have none."""

_NO_HANDLERS: Final = "No event handlers were registered. This script does nothing."
_CHECK_NAME: Final = "handler_check_"
_CHECK: Final = """import * as found from {main};
const handlers = ["fetch", "scheduled", "queue", "email", "tail", "trace", "tailStream", "test"];
const has = (value) => value != null && handlers.some((name) => typeof value[name] === "function");
if (!has(found.default) && !has(found.default?.prototype)) throw new Error({message});
export default {{ fetch() {{}} }};
"""
"""A module that imports a JavaScript main module and fails if it has no handler. workerd itself
accepts a script in service-worker syntax that is uploaded as a module, and never calls it."""

_GLOBAL_HANDLERS_UNTIL: Final = "2025-08-14"
_GLOBAL_HANDLERS_FLAG: Final = "disable_python_no_global_handlers"
"""From this compatibility date on, functions are no handlers without this flag."""

_PYTHON_CHECK: Final = """found = __import__({main})
handlers = {handlers}
on_handlers = ["on_" + name for name in handlers]
has = lambda owner, names: any(callable(getattr(owner, name, None)) for name in names)
exported = getattr(found, "__all__", dir(found))
default = getattr(found, "Default", None) if "Default" in exported else None
bases = [base.__name__ for base in getattr(default, "__mro__", ())[1:]]
is_entrypoint = "WorkerEntrypoint" in bases and has(default, [*handlers, *on_handlers])
if not (is_entrypoint or ({has_functions} and has(found, [*on_handlers, "test"]))):
    raise RuntimeError({message})
"""
"""The same for Python, where the class `Default(WorkerEntrypoint)` has the handlers: without it
the runtime exports nothing (workerd's python-entrypoint-helper.ts)."""

_PYTHON_HANDLERS: Final = (
    "fetch",
    "alarm",
    "scheduled",
    "trace",
    "tail",
    "queue",
    "email",
    "pubsub",
)

_JS_FRAME: Final = re.compile(r"^  at .*\n?", re.MULTILINE)
_CHECK_FRAME: Final = re.compile(
    rf'^  File "\S*{_CHECK_NAME}\d+\.py".*\n(?:    .*\n)*', re.MULTILINE
)


def load(script: Script) -> None:
    """Load a script without calling it.

    Raises:
        InvalidError: It cannot be loaded; the message has the exception's text and its place.
    """
    is_python = any(one.content_type == "text/x-python" for one in script.modules)
    command: list[str | Path] = [
        workerd_binary(HERE, Machine.current().workerd_package()),
        "serve",
        "config.capnp",
        "--control-fd=1",
    ]
    if is_python:
        command += ["--experimental", f"--pyodide-bundle-disk-cache-dir={find_bundle(HERE)}"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        _write(Path(folder), script, is_python=is_python)
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors
        ) as workerd:
            is_late = threading.Event()

            def end() -> None:
                is_late.set()
                workerd.kill()

            timer = threading.Timer(SECONDS_MAX[is_python], end)
            timer.start()
            assert workerd.stdout is not None
            try:
                is_loaded = bool(workerd.stdout.readline())
            finally:
                # Also at Ctrl-C, so that the program can end at once.
                timer.cancel()
                workerd.kill()
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if is_late.is_set():
        raise InvalidError("Script startup exceeded CPU time limit.", code=INVALID_SCRIPT)
    if not is_loaded:
        raise _error(text)


def _write(folder: Path, script: Script, *, is_python: bool) -> None:
    modules = sorted(script.modules, key=lambda module: module.name != script.main)
    for number, module in enumerate(modules):
        (folder / str(number)).write_bytes(module.content)
    listed = [
        f"(name = {_quoted(module.name)}, {_KINDS.get(module.content_type, 'data')}"
        f' = embed "{number}")'
        for number, module in enumerate(modules)
    ]
    flags = [*(script.settings.get("compatibility_flags") or ())]
    workers = {"main": listed}
    if is_python:
        check, name = python_check(script), _unused(modules, "py")
        workers["main"] = [f'(name = "{name}", pythonModule = {_quoted(check)})', *listed]
        flags += [flag for flag in PYTHON_FLAGS if flag not in flags]
    else:
        check, name = (
            _CHECK.format(main=_quoted(f"/{script.main}"), message=_quoted(_NO_HANDLERS)),
            _unused(modules, "js"),
        )
        workers["check"] = [f'(name = "{name}", esModule = {_quoted(check)})', *listed]
    shared = (
        f"compatibilityDate = {_quoted(script.settings.get('compatibility_date') or _OLDEST_DATE)},"
        f" compatibilityFlags = {_list(map(_quoted, flags))},"
        f' globalOutbound = "none", bindings = {_list(_bindings(script))}'
    )
    services = [
        '(name = "none", network = (allow = []))',
        *(
            f'(name = "{name}", worker = (modules = {_list(one)}, {shared}))'
            for name, one in workers.items()
        ),
    ]
    (folder / "config.capnp").write_text(
        'using Workerd = import "/workerd/workerd.capnp";\n'
        f"const config :Workerd.Config = (services = {_list(services)}, sockets ="
        ' [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);\n',
        encoding="utf-8",
    )


def _bindings(script: Script) -> Iterator[str]:
    for one in script.bindings:
        name = f"name = {_quoted(one['name'])}"
        if one["type"] in ("plain_text", "secret_text"):
            yield f"({name}, text = {_quoted(one['text'])})"
        elif one["type"] == "json":
            yield f"({name}, json = {_quoted(json.dumps(one['json']))})"
        elif one["type"] == "kv_namespace":
            yield f'({name}, kvNamespace = "none")'


def python_check(script: Script) -> str:
    """Return a module that imports a Python main module and fails if it has no handler."""
    date = script.settings.get("compatibility_date") or _OLDEST_DATE
    flags = script.settings.get("compatibility_flags") or ()
    return _PYTHON_CHECK.format(
        main=repr(script.main.removesuffix(".py")),
        handlers=_PYTHON_HANDLERS,
        has_functions=date < _GLOBAL_HANDLERS_UNTIL or _GLOBAL_HANDLERS_FLAG in flags,
        message=repr(_NO_HANDLERS),
    )


def _unused(modules: Sequence[Module], suffix: str) -> str:
    """Return a name for the check that no module has."""
    names = {module.name for module in modules}
    numbers = range(len(names) + 1)
    return next(name for n in numbers if (name := f"{_CHECK_NAME}{n}.{suffix}") not in names)


def _list(parts: Any) -> str:  # noqa: ANN401 (any iterable of texts)
    return f"[{', '.join(parts)}]"


def _quoted(text: str) -> str:
    """Return a text as a literal of JavaScript and Cap'n Proto, which both have these escapes."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(one, one) for one in text) + '"'


def _error(text: str) -> InvalidError:
    """Return the error for what workerd printed; it reports each service that it cannot start."""
    _, found, after = text.partition("service main: ")
    if not found:
        _, _, after = text.partition("service check: ")
    message = re.split(r"\nservice \w+: ", after)[0].strip() or text.strip()[-500:]
    if _NO_HANDLERS in message:
        return InvalidError(
            "The uploaded script has no registered event handlers.", code=NO_HANDLERS
        )
    _, found, traceback = message.partition("PythonError: ")
    if found:
        message = f"Uncaught {_CHECK_FRAME.sub('', _JS_FRAME.sub('', traceback))}".strip()
    return InvalidError(message, code=INVALID_SCRIPT)
