"""The log of `make dev` is read while it is written, cut and rotated."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.apis.logs import read_since
from cli.apis.script_log import ScriptLog
from cli.errors import InputError


class Stopped(Exception):
    """Ends a reader that never ends."""


def trace(number: int, script: str = "a") -> str:
    event = {"request": {"method": "GET", "url": f"http://h/{number}"}}
    document = {"scriptName": script, "outcome": "ok", "eventTimestamp": number, "event": event}
    return json.dumps(document) + "\n"


def paths(traces: object) -> list[str]:
    return [one.path for one in traces]  # type: ignore[attr-defined]


def followed(log: ScriptLog) -> list[str]:
    def stop(_: float) -> None:
        raise Stopped

    found: list[str] = []
    with suppress(Stopped):
        found.extend(one.path for one in log.follow(stop))
    return found


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert ScriptLog(tmp_path / "no", "a").read() == []


def test_only_the_scripts_own_traces_are_read_from_both_parts(tmp_path: Path) -> None:
    file = tmp_path / "log"
    (tmp_path / "log.1").write_text(trace(1) + trace(2, "b"))
    file.write_text(trace(3) + "not JSON\n[]\n" + trace(4))
    assert paths(ScriptLog(file, "a").read()) == ["/1", "/3", "/4"]
    since = datetime.fromtimestamp(0.004, UTC)
    assert paths(ScriptLog(file, "a").read(since)) == ["/4"]


def test_new_traces_are_followed_once_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(trace(1))
    log = ScriptLog(file, "a")
    log.read()
    assert followed(log) == []
    with file.open("a") as writer:
        writer.write(trace(2) + trace(3)[:20])
    assert followed(log) == ["/2"]
    with file.open("a") as writer:
        writer.write(trace(3)[20:])
    assert followed(log) == ["/3"]


def test_a_new_file_is_followed_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(trace(1))
    log = ScriptLog(file, "a")
    log.read()
    file.rename(tmp_path / "log.1")
    file.write_text(trace(2))
    assert followed(log) == ["/2"]


def test_since_is_a_duration_or_a_time() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert read_since(None) is None
    assert read_since("90m", now) == datetime(2026, 11, 30, 10, 30, tzinfo=UTC)
    assert read_since("2026-11-30T10:00Z") == datetime(2026, 11, 30, 10, tzinfo=UTC)
    with pytest.raises(InputError, match="--since soon is not a time"):
        read_since("soon")
