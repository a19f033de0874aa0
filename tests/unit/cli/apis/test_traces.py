"""A trace of Cloudflare's tail is read, whatever fields it has, and shown without control codes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.apis.tail import notice_of, traces_of
from cli.apis.traces import read_trace

TRACE: dict[str, Any] = {
    "scriptName": "greeter",
    "dispatchNamespace": "clawr",
    "outcome": "ok",
    "eventTimestamp": 1_796_071_213_144,
    "event": {
        "request": {"method": "GET", "url": "https://api.example/a?b=1", "headers": {}, "cf": {}},
        "response": {"status": 200},
    },
    "logs": [{"level": "log", "message": ["said", {"deep": [1]}, 2], "timestamp": 1}],
    "exceptions": [],
    "diagnosticsChannelEvents": [],
}


def shown(**changes: Any) -> list[str]:
    trace = read_trace({**TRACE, **changes})
    assert trace is not None
    return [line.plain for line in trace.lines()]


def test_a_request_is_shown_with_its_output() -> None:
    assert shown() == [
        "2026-11-30 20:40:13  200  GET /a?b=1",
        '  log    said {"deep": [1]} 2',
    ]


def test_an_exception_is_shown_with_its_stack() -> None:
    exception = {"name": "TypeError", "message": "broken", "stack": "    at f (index.js:3:4)"}
    event = {"request": TRACE["event"]["request"]}
    assert shown(outcome="exception", event=event, exceptions=[exception], logs=[]) == [
        "2026-11-30 20:40:13  ---  GET /a?b=1  threw an exception",
        "  TypeError: broken",
        "      at f (index.js:3:4)",
    ]


def test_an_exception_of_python_is_shown_without_the_frames_of_pyodide() -> None:
    exception = {
        "name": "PythonError",
        "message": "Traceback (most recent call last):\n  File x, line 7\nValueError: broken",
        "stack": "    at wasm://wasm/1:2",
    }
    assert shown(logs=[], exceptions=[exception])[1:] == [
        "  PythonError: Traceback (most recent call last):",
        "    File x, line 7",
        "  ValueError: broken",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("exceededCpu", "CPU time limit"),
        ("scriptNotFound", "is missing"),
        ("odd\x1b[1m", "odd�[1m"),
    ],
)
def test_the_outcome_is_explained(outcome: str, words: str) -> None:
    assert words in shown(outcome=outcome)[0]


def test_control_characters_are_not_printed() -> None:
    logs = [{"level": "log", "message": ["a\x1b[31mb\tc\nd"], "timestamp": 1}]
    assert shown(logs=logs)[1:] == ["  log    a�[31mb c", "  log    d"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"event": {"type": "overload", "message": "Tail is overloaded"}},
        {**TRACE, "eventTimestamp": None},
    ],
)
def test_what_is_no_invocation_is_no_trace(document: dict[str, Any]) -> None:
    assert read_trace(document) is None


@pytest.mark.parametrize(
    "changes", [{"event": None}, {"event": {"cron": "* * * * *"}}, {"logs": None}, {"logs": [1]}]
)
def test_a_trace_with_other_fields_is_shown(changes: dict[str, Any]) -> None:
    assert shown(**changes)


@pytest.mark.parametrize(
    ("changes", "is_failed"),
    [
        ({}, False),
        ({"outcome": "exceededCpu"}, True),
        ({"event": {**TRACE["event"], "response": {"status": 503}}}, True),
        ({"event": {**TRACE["event"], "response": {"status": 404}}}, False),
        ({"logs": [{"level": "error", "message": ["x"]}]}, True),
    ],
)
def test_failed_requests_are_recognized(changes: dict[str, Any], is_failed: bool) -> None:
    trace = read_trace({**TRACE, **changes})
    assert trace is not None
    assert trace.is_failed == is_failed


def test_of_the_dispatchers_tail_only_the_api_is_shown() -> None:
    assert len([*traces_of(TRACE, "greeter", "hello")]) == 1
    assert not [*traces_of(TRACE, "other", "other")]
    line = (
        '{"event": "request_failed", "endpoint": "/t/hello", "code": "%s", "status": 404,'
        ' "method": "GET", "cause": "Worker not found."}'
    )
    logs = [
        {"level": "warn", "message": [line % code], "timestamp": 1}
        for code in ("worker_not_found", "tenant_worker_failure")
    ]
    own = {**TRACE, "scriptName": "clawr-dispatcher", "logs": [*logs, *TRACE["logs"]]}
    (found,) = traces_of(own, "greeter", "hello")
    assert (found.outcome, found.status) == ("worker_not_found", 404)
    assert found.logs == [("warn", "Worker not found.")]
    assert found.at == datetime.fromtimestamp(1_796_071_213.144, UTC)
    assert not [*traces_of(own, "greeter", "another")]


def test_what_cloudflare_says_about_the_tail_is_recognized() -> None:
    assert notice_of({"event": {"type": "overload", "message": "sampling"}}) == "sampling"
    assert notice_of(TRACE) is None
