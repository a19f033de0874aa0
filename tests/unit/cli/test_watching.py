"""Watching a snapshot: at the price of a 304, and through outages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics.live_display import show_each
from cli.analytics.watching import looks
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


def test_what_has_not_changed_is_not_sent_again(server: Loopback) -> None:
    server.answer = _unless_known(5)
    with Platform(server.dispatcher) as platform:
        seen = looks(platform, "today", 3, 1.0, lambda _: None)
        first, second = next(seen), next(seen)
        server.answer = _unless_known(6)
        third = next(seen)
    assert [look.is_new for look in (first, second, third)] == [True, False, True]
    assert [_calls(look.document) for look in (first, second, third)] == [5, 5, 6]
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [
        None,
        'W/"5"',
        'W/"5"',
    ]
    assert server.asked[0].query == {"window": "today", "top": "3"}


def test_a_dispatcher_that_goes_away_and_comes_back_is_watched_on(server: Loopback) -> None:
    with Platform(server.dispatcher) as platform:
        seen = looks(platform, "today", 3, 1.0, lambda _: None)
        next(seen)
        server.answer = lambda _: Reply(b"", 502)
        away = [next(seen), next(seen)]
        server.answer = _unless_known(9)
        back = next(seen)
    assert all("502" in look.trouble and _calls(look.document) == 1 for look in away)
    assert (back.trouble, back.is_new, _calls(back.document)) == ("", True, 9)


def test_a_first_look_that_fails_ends_it(server: Loopback) -> None:
    server.answer = lambda _: Reply(b"", 502)
    with Platform(server.dispatcher) as platform, pytest.raises(NetworkError):
        next(looks(platform, "today", 3, 1.0))


def test_a_token_that_is_taken_back_ends_it(server: Loopback) -> None:
    with Platform(server.dispatcher) as platform:
        seen = looks(platform, "today", 3, 1.0, lambda _: None)
        next(seen)
        server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
        with pytest.raises(AccessError):
            next(seen)


def test_without_a_terminal_each_new_one_is_printed_and_trouble_said_once(
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
        seen = looks(platform, "today", 3, 1.0, pause)
        with pytest.raises(KeyboardInterrupt):
            show_each(Output(as_json=True), seen)
    shown = capsys.readouterr()
    assert [_calls(json.loads(line)) for line in shown.out.splitlines()] == [1, 2]
    assert shown.err.count("502") == 1
