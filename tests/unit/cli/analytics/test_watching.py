"""A snapshot is polled with conditional requests, also through outages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics.live_display import show_each
from cli.analytics.watching import watch_snapshot
from cli.errors import AccessError, NetworkError
from cli.output import Output
from cli.platform import Platform
from tests.cli.loopback import Asked, Loopback, Reply, answering, recorded


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    with answering(lambda _: _reply(1)) as server:
        yield server


def _reply(calls: int) -> Reply:
    document = recorded("analytics")
    document["snapshot"]["heroStats"]["calls"] = calls
    return Reply(document, headers={"etag": f'W/"{calls}"'})


def _unless_known(calls: int) -> Any:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == f'W/"{calls}"':
            return Reply(b"", 304)
        return _reply(calls)

    return answer


def _calls(document: dict[str, Any]) -> int:
    calls: int = document["snapshot"]["heroStats"]["calls"]
    return calls


def test_an_unchanged_snapshot_is_not_sent_again(server: Loopback) -> None:
    server.answer = _unless_known(5)
    with Platform(server.dispatcher) as platform:
        updates = watch_snapshot(platform, "today", 3, 1.0, lambda _: None)
        first, second = next(updates), next(updates)
        server.answer = _unless_known(6)
        third = next(updates)
    assert [update.is_new for update in (first, second, third)] == [True, False, True]
    assert [_calls(update.document) for update in (first, second, third)] == [5, 5, 6]
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [
        None,
        'W/"5"',
        'W/"5"',
    ]
    assert server.asked[0].query == {"window": "today", "top": "3"}


def test_watching_continues_after_an_outage(server: Loopback) -> None:
    with Platform(server.dispatcher) as platform:
        updates = watch_snapshot(platform, "today", 3, 1.0, lambda _: None)
        next(updates)
        server.answer = lambda _: Reply(b"", 502)
        outage = [next(updates), next(updates)]
        server.answer = _unless_known(9)
        back = next(updates)
    assert all("502" in update.failure and _calls(update.document) == 1 for update in outage)
    assert (back.failure, back.is_new, _calls(back.document)) == ("", True, 9)


def test_a_failed_first_poll_is_an_error(server: Loopback) -> None:
    server.answer = lambda _: Reply(b"", 502)
    with Platform(server.dispatcher) as platform, pytest.raises(NetworkError):
        next(watch_snapshot(platform, "today", 3, 1.0))


def test_a_revoked_token_is_an_error(server: Loopback) -> None:
    with Platform(server.dispatcher) as platform:
        updates = watch_snapshot(platform, "today", 3, 1.0, lambda _: None)
        next(updates)
        server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
        with pytest.raises(AccessError):
            next(updates)


def test_without_a_terminal_each_snapshot_and_each_outage_is_printed_once(
    server: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [_reply(1), Reply(b"", 304), Reply(b"", 502), Reply(b"", 502), _reply(2)]

    def pause(_: float) -> None:
        if not answers:
            raise KeyboardInterrupt
        reply = answers.pop(0)
        server.answer = lambda _: reply

    pause(0)
    with Platform(server.dispatcher) as platform:
        updates = watch_snapshot(platform, "today", 3, 1.0, pause)
        with pytest.raises(KeyboardInterrupt):
            show_each(Output(as_json=True), updates)
    shown = capsys.readouterr()
    assert [_calls(json.loads(line)) for line in shown.out.splitlines()] == [1, 2]
    assert shown.err.count("502") == 1
