"""A range is rebuilt in steps that the dispatcher accepts, and can be continued after a failure."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics.rebuilding import Range, Rebuilt, checked_range, rebuild
from cli.errors import AccessError, CommandError, InputError, NetworkError
from cli.platform import Platform
from tests.cli.loopback import Asked, Loopback, Reply, answering, recorded

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = NOON + timedelta(days=1)


def _reports(minutes_max: int = 60, **fields: object) -> Callable[[Asked], Reply]:
    """Respond like a dispatcher that can rebuild `minutes_max` minutes per request."""

    def answer(asked: Asked) -> Reply:
        assert asked.method == "POST"
        start, end = (datetime.fromisoformat(asked.query[name]) for name in ("from", "to"))
        complete = (end - start) <= timedelta(minutes=minutes_max)
        span = {"from": asked.query["from"], "to": asked.query["to"], "complete": complete}
        return Reply(recorded("compact") | span | {"rebuilt": 2, "operations": 3} | fields)

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    with answering(_reports()) as server:
        yield server


def _spans(server: Loopback) -> list[tuple[str, str]]:
    return [(asked.query["from"][11:], asked.query["to"][11:]) for asked in server.asked]


def test_a_range_is_split_at_full_hours(server: Loopback) -> None:
    seen: list[datetime] = []
    wanted = Range(NOON - timedelta(minutes=20), NOON + timedelta(minutes=90))
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, wanted, lambda done: seen.append(done.until))
    assert _spans(server) == [("11:40Z", "12:00Z"), ("12:00Z", "13:00Z"), ("13:00Z", "13:30Z")]
    assert seen == [NOON, NOON + HOUR, wanted.end]
    assert (done.summaries, done.operations, done.changed) == (6, 9, [])


def test_a_step_that_is_too_large_is_split(server: Loopback) -> None:
    server.answer = _reports(minutes_max=20)
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)
    assert done.until == NOON + HOUR
    done_spans = [span for span in _spans(server) if span != ("12:00Z", "13:00Z")]
    assert done_spans[:3] == [("12:00Z", "12:30Z"), ("12:00Z", "12:15Z"), ("12:15Z", "12:30Z")]


def test_a_changed_summary_is_listed_once(server: Loopback) -> None:
    server.answer = _reports(changed=["summary/one"])
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, Range(NOON, NOON + 2 * HOUR), lambda _: None)
    assert done.changed == ["summary/one"]


def test_a_failed_request_is_retried(server: Loopback) -> None:
    answers = iter([Reply(b"", 503)])

    def answer(asked: Asked) -> Reply:
        return next(answers, None) or _reports()(asked)

    server.answer = answer
    with Platform(server.dispatcher) as platform:
        rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)
    assert len(server.asked) == 2


def test_a_failure_says_how_to_continue(server: Loopback) -> None:
    def fail_from_then_on(done: Rebuilt) -> None:
        if done.until == NOON + HOUR:
            server.answer = lambda _: Reply(b"", 503)

    with Platform(server.dispatcher) as platform, pytest.raises(NetworkError) as caught:
        rebuild(platform, Range(NOON, NOON + 3 * HOUR), fail_from_then_on)
    command = "clawr rebuild --from 2026-11-22T13:00Z --to 2026-11-22T15:00Z --execute"
    assert command in caught.value.advice


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"complete": False, "stoppedBy": "batches have expired"}, "batches have expired")],
)
def test_a_stopped_compaction_is_an_error(
    fields: dict[str, Any], said: str, server: Loopback
) -> None:
    server.answer = _reports(**fields)
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match=said):
        rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)


def test_a_minute_that_is_too_large_is_an_error(server: Loopback) -> None:
    server.answer = _reports(minutes_max=0)
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match="one minute"):
        rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)


def test_a_rejected_token_is_an_error(server: Loopback) -> None:
    server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
    with Platform(server.dispatcher) as platform, pytest.raises(AccessError):
        rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)


def test_an_unreadable_report_is_explained(server: Loopback) -> None:
    server.answer = lambda _: Reply({"ok": True})
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match="cannot be"):
        rebuild(platform, Range(NOON, NOON + HOUR), lambda _: None)


def test_a_range_ends_now_at_the_latest() -> None:
    assert checked_range(NOON, NOW + HOUR, NOW) == Range(NOON, NOW)


def test_a_range_is_extended_to_whole_minutes() -> None:
    second = timedelta(seconds=1)
    minute = timedelta(minutes=1)
    assert checked_range(NOON + second, NOON + 2 * second, NOW) == Range(NOON, NOON + minute)


@pytest.mark.parametrize(("start", "end"), [(NOON, NOON), (NOON, NOON - HOUR), (NOW, NOW + HOUR)])
def test_an_empty_range_is_rejected(start: datetime, end: datetime) -> None:
    with pytest.raises(InputError, match="empty"):
        checked_range(start, end, NOW)


def test_a_range_of_expired_batches_is_rejected() -> None:
    with pytest.raises(InputError, match="too long ago") as caught:
        checked_range(NOW - timedelta(days=40), NOW, NOW)
    assert "2026-10-15T12:01Z" in caught.value.advice
