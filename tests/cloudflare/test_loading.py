"""An upload is accepted only if workerd can load it, with the exception's text and place."""

import sys
from contextlib import nullcontext
from types import ModuleType

import pytest

from dev.cloudflare_api.responses import InvalidError
from dev.cloudflare_api.scripts import loading
from dev.cloudflare_api.scripts.loading import load, python_check
from dev.cloudflare_api.scripts.upload import Module, Script

JAVASCRIPT = "application/javascript+module"
PYTHON = "text/x-python"
BUILT_IN = "disable_python_external_sdk"
FUNCTIONS = "disable_python_no_global_handlers"
ENTRYPOINT = """\
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        ...
"""
HANDLER = "export default { fetch() { return new Response() } };"


def javascript(code: str, **modules: str) -> Script:
    named = {"index.js": code, **modules}
    return Script(
        "api",
        "index.js",
        tuple(Module(name, JAVASCRIPT, text.encode()) for name, text in named.items()),
        ({"name": "TEXT", "type": "plain_text", "text": 'a "text"\n'},),
        {"compatibility_date": "2026-11-01"},
    )


def python(code: str, *flags: str) -> Script:
    return Script(
        "api",
        "main.py",
        (Module("main.py", PYTHON, code.encode()),),
        settings={
            "compatibility_date": "2026-11-01",
            "compatibility_flags": ["python_workers", *flags],
        },
    )


@pytest.mark.parametrize(
    "code",
    [
        HANDLER,
        "export default class { fetch() {} }",
        "import { env } from 'cloudflare:workers'; if (!env.TEXT) throw 1;" + HANDLER,
        "import x from './lib/a.js'; if (x !== 1) throw x;" + HANDLER,
    ],
)
def test_a_script_with_a_handler_is_accepted(code: str) -> None:
    load(javascript(code, **{"lib/a.js": "export default 1;"}))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("export default { fetch() { f(1 } };", "SyntaxError: missing ) after argument list"),
        ("\n\nthrow new Error('at the top');" + HANDLER, "index.js:3:"),
        ("import x from './lost.js';" + HANDLER, 'No such module "lost.js"'),
        ("import x from 'lodash';" + HANDLER, 'No such module "lodash"'),
        ("module.exports = {};", "module is not defined"),
        ("export const a = 1;" + HANDLER, "Incorrect type for map entry 'a'"),
        ("addEventListener('fetch', () => {});", "no registered event handlers"),
        ("export default {};", "no registered event handlers"),
    ],
)
def test_a_script_that_does_not_load_is_rejected_with_the_reason(code: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        load(javascript(code))
    assert message in caught.value.message
    assert "service" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import js\n\ndef on_fetch(request:\n    pass\n", 'main.py", line 3'),
        ("from workers import Response\n", "ModuleNotFoundError: No module named 'workers'"),
        ("import lost\n", "ModuleNotFoundError: No module named 'lost'"),
    ],
)
def test_a_python_script_that_does_not_load_is_rejected_with_its_traceback(
    code: str, message: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        load(python(code))
    assert message in caught.value.message
    for word in ("wasm", "handler_check"):
        assert word not in caught.value.message


def test_a_python_script_without_a_handler_is_rejected() -> None:
    with pytest.raises(InvalidError) as caught:
        load(python("x = 1\n", BUILT_IN))
    assert caught.value.message == "The uploaded script has no registered event handlers."


def test_a_python_script_with_the_runtimes_own_sdk_is_accepted() -> None:
    load(python(ENTRYPOINT, BUILT_IN))
    code = "from workers import Response\n\nasync def on_fetch(*_):\n    ...\n"
    load(python(code, BUILT_IN, FUNCTIONS))


@pytest.mark.parametrize(
    ("code", "flags", "is_handled"),
    [
        (ENTRYPOINT, (), True),
        (ENTRYPOINT, (FUNCTIONS,), True),
        ("async def on_scheduled(*_): ...", (FUNCTIONS,), True),
        ("async def on_fetch(request): ...", (), False),
        ("async def fetch(request): ...", (FUNCTIONS,), False),
        ("on_fetch = 1", (FUNCTIONS,), False),
        ("class Default:\n    async def fetch(self, request): ...", (), False),
        ("Default = 1", (), False),
        (ENTRYPOINT.replace("Default", "Main"), (), False),
        (ENTRYPOINT.replace("fetch", "other"), (), False),
        (ENTRYPOINT + "__all__ = []", (), False),
        (ENTRYPOINT + "__all__ = ['Default']", (), True),
    ],
)
def test_the_handlers_of_a_python_script_are_those_that_the_runtime_exports(
    monkeypatch: pytest.MonkeyPatch, code: str, flags: tuple[str, ...], is_handled: bool
) -> None:
    # On CPython, with a stand-in for the SDK: the runtime takes seconds for each script.
    sdk, main = ModuleType("workers"), ModuleType("main")
    sdk.__dict__["WorkerEntrypoint"] = type("WorkerEntrypoint", (), {})
    for module in (sdk, main):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code, main.__dict__)  # noqa: S102 (texts of this test)
    check = python_check(python(code, *flags))
    with nullcontext() if is_handled else pytest.raises(RuntimeError):
        exec(check, {})  # noqa: S102


def test_a_script_that_never_starts_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loading.SECONDS_MAX, False, 1.0)
    with pytest.raises(InvalidError) as caught:
        load(javascript("for (;;);"))
    assert caught.value.message == "Script startup exceeded CPU time limit."
