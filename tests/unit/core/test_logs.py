"""Each log line is one JSON object, and none contains a caller's data."""

from __future__ import annotations

import ast
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.logs import FIELD_LENGTH_MAX, fields, set_up

SOURCE = Path(__file__).parents[3] / "src"
CALLS = [
    (f"{path.name}:{node.lineno}", node)
    for path in sorted(SOURCE.rglob("*.py"))
    if b"_LOGGER." in (source := path.read_bytes())
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_LOGGER.")
]


@pytest.fixture
def lines() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The level and the parsed line of everything logged during a test."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    written: list[tuple[str, dict[str, Any]]] = []

    def write(level: str, line: str) -> None:
        assert "\n" not in line
        written.append((level, json.loads(line)))

    set_up(write)
    yield written
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def test_a_line_has_its_level_event_logger_and_fields(lines: list[Any]) -> None:
    logger = logging.getLogger("ours")
    logger.warning("kv_failed", extra=fields(requestId="r-1", status=500, cause=None))
    assert lines == [
        (
            "warning",
            {
                "level": "warning",
                "event": "kv_failed",
                "logger": "ours",
                "requestId": "r-1",
                "status": 500,
            },
        )
    ]


def test_an_exception_is_logged_with_its_type_and_stack_but_not_its_message(
    lines: list[Any],
) -> None:
    def inner() -> None:
        raise KeyError("a caller's card number\nand more")

    try:
        inner()
    except KeyError:
        logging.getLogger("ours").exception("request_failed", extra=fields())
    ((_, line),) = lines
    assert line["exception"]["type"] == "KeyError"
    assert re.fullmatch(r"test_logs\.py:\d+ inner", line["exception"]["stack"][0])
    assert "card" not in json.dumps(line)


def test_a_long_field_is_cut(lines: list[Any]) -> None:
    logging.getLogger("ours").info("long", extra=fields(cause="x" * 5_000))
    assert lines[0][1]["cause"] == "x" * FIELD_LENGTH_MAX


def test_messages_of_libraries_and_warnings_of_python_are_logged(lines: list[Any]) -> None:
    logging.getLogger("asyncio").error("Task %s failed", "t1")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert [(level, line["event"]) for level, line in lines] == [
        ("error", "message"),
        ("warning", "message"),
    ]
    assert lines[0][1]["message"] == "Task t1 failed"


def test_debug_is_not_logged(lines: list[Any]) -> None:
    logging.getLogger("ours").debug("detail", extra=fields())
    assert lines == []


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[place for place, _ in CALLS])
def test_every_call_names_an_event_and_gives_fields(call: ast.Call) -> None:
    event = call.args[1 if ast.unparse(call.func) == "_LOGGER.log" else 0]
    assert isinstance(event, ast.Constant)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", str(event.value))
    (extra,) = [word.value for word in call.keywords if word.arg == "extra"]
    assert re.match(r"(payment_)?fields\(", ast.unparse(extra))


def test_every_event_is_documented() -> None:
    text = (SOURCE.parent / "docs" / "observability.md").read_text(encoding="utf-8")
    events = {
        str(argument.value)
        for _, call in CALLS
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }
    assert [event for event in sorted(events) if f"`{event}`" not in text] == []
