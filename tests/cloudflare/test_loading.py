"""An upload is accepted only if workerd can load it, with the exception's text and place."""

import pytest

from dev.cloudflare_api.responses import InvalidError
from dev.cloudflare_api.scripts import loading
from dev.cloudflare_api.scripts.loading import load
from dev.cloudflare_api.scripts.upload import Module, Script

JAVASCRIPT = "application/javascript+module"
PYTHON = "text/x-python"
BUILT_IN = "disable_python_external_sdk"
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
    ],
)
def test_a_python_script_that_does_not_load_is_rejected_with_its_traceback(
    code: str, message: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        load(python(code))
    assert message in caught.value.message
    assert "wasm" not in caught.value.message


def test_a_python_script_with_the_runtimes_own_sdk_is_accepted() -> None:
    load(python("from workers import Response\n\nasync def on_fetch(*_):\n    ...\n", BUILT_IN))


def test_a_script_that_never_starts_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loading.SECONDS_MAX, False, 1.0)
    with pytest.raises(InvalidError) as caught:
        load(javascript("for (;;);"))
    assert caught.value.message == "Script startup exceeded CPU time limit."
