"""wrangler's output is filtered, and its failures are explained."""

import pytest

from dev.launch.output import TerminalFilter, failure_reason, ready_port, without_escapes

STARTING = """\
▲ [WARNING] Processing wrangler.json configuration:

    - "unsafe" fields are experimental and may change or break at any time.

Your Worker has access to the following bindings:
Binding                  Resource                  Mode
env.USAGE_KV             KV Namespace              local
env.SECRET ("s3cret")    Environment Variable      local

Attaching additional modules:
┌──────────┬────────┬──────────┐
│ Name     │ Type   │ Size     │
└──────────┴────────┴──────────┘
⎔ Starting local server...
[wrangler:info] Ready on http://127.0.0.1:8787
[wrangler:info] GET /health 200 OK (40ms)"""


def shown(text: str) -> list[str]:
    terminal = TerminalFilter()
    return [line for line in text.splitlines() if terminal.shows(line)]


def test_a_normal_start_prints_nothing() -> None:
    assert shown(STARTING) == []


@pytest.mark.parametrize(
    "line",
    [
        "[wrangler:info] GET /t/echo 200 OK (3ms)",
        "[wrangler:info] GET /health 500 Internal Server Error (3ms)",
        "⎔ Reloading local server...",
        "printed by the Worker",
        "✘ [ERROR] service core:user:clawr-dispatcher: Uncaught Error",
        "▲ [WARNING] the Worker's own warning",
    ],
)
def test_relevant_lines_are_printed(line: str) -> None:
    assert shown(line) == [line]


def test_lines_after_a_hidden_warning_are_printed() -> None:
    assert shown(f"{STARTING.splitlines()[0]}\n\n    - detail\n\nhello") == ["hello"]


def test_colours_are_removed() -> None:
    assert without_escapes("\x1b[31m✘ \x1b[41;31m[\x1b[0mERROR] no \r\n") == "✘ [ERROR] no"


def test_the_port_is_read_from_the_ready_line() -> None:
    assert ready_port("[wrangler:info] Ready on http://127.0.0.1:46667") == 46667
    assert ready_port("Ready on Tuesday") is None


def test_a_python_exception_is_the_reason() -> None:
    lines = [
        "✘ [ERROR] service core:user:x: Uncaught Error: PythonError: Traceback:",
        '    File "/session/metadata/entry.py", line 12, in <module>',
        "      import missing",
        "  ModuleNotFoundError: No module named 'missing'",
        "    at null.<anonymous> (pyodideRuntime-internal:pyodide.asm:2:568796) in new_error",
        "✘ [ERROR] The Workers runtime failed to start.",
    ]
    assert failure_reason(lines) == "ModuleNotFoundError: No module named 'missing'"


def test_a_failed_download_is_explained() -> None:
    lines = ["✘ [ERROR] *** Uncaught exception ***", "  Request for Pyodide bundle failed; url = x"]
    assert failure_reason(lines).endswith("run with RUNTIME=local.")


def test_otherwise_the_first_error_is_the_reason() -> None:
    assert (
        failure_reason(["hello", "✘ [ERROR] Address in use", "✘ [ERROR] Other"]) == "Address in use"
    )


def test_otherwise_the_last_line_is_the_reason() -> None:
    assert failure_reason(["hello", "goodbye", ""]) == "goodbye"
    assert failure_reason([]) == "it printed nothing"
