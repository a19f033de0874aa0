"""A range is rebuilt in steps that the dispatcher accepts, and can be continued after a failure."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics.rebuilding import Range, Rebuilt, checked_range, rebuild
from cli.errors import AccessError, CommandError, InputError, NetworkError
from cli.platform import Platform
from core import constants
from tests.cli.loopback import Asked, Loopback, Reply, answering

DAY = timedelta(days=1)
FIRST = date(2026, 9, 1)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _reports(days_max: int = 100, **fields: object) -> Callable[[Asked], Reply]:
    """Respond like a dispatcher that can rebuild `days_max` days per request."""

    def answer(asked: Asked) -> Reply:
        assert asked.method == "POST"
        start, end = (date.fromisoformat(asked.query[name]) for name in ("from", "to"))
        assert (end - start).days <= constants.REBUILD_DAYS_MAX
        until = min(start + days_max * DAY, end)
        days = [
            {
                "day": f"{start + number * DAY}",
                "shard": 0,
                "segments": 2,
                "changed": False,
                "reason": None,
            }
            for number in range((until - start).days)
        ]
        return Reply(
            {
                "complete": until == end,
                "next": None if until == end else f"{until}",
                "changed": [],
                "days": days,
            }
            | fields
        )

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    with answering(_reports()) as server:
        yield server


def _spans(server: Loopback) -> list[tuple[str, str]]:
    return [(asked.query["from"], asked.query["to"]) for asked in server.asked]


def test_a_long_range_is_split(server: Loopback) -> None:
    seen: list[date] = []
    wanted = Range(FIRST, FIRST + 90 * DAY)
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, wanted, lambda done: seen.append(done.until))
    assert _spans(server) == [
        ("2026-09-01", "2026-10-11"),
        ("2026-10-11", "2026-11-20"),
        ("2026-11-20", "2026-11-30"),
    ]
    assert seen[-1] == wanted.end
    assert (done.changed, done.failed) == ([], {})


def test_a_rebuild_continues_where_the_dispatcher_stopped(server: Loopback) -> None:
    server.answer = _reports(days_max=2)
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, Range(FIRST, FIRST + 5 * DAY), lambda _: None)
    assert done.until == FIRST + 5 * DAY
    assert [start for start, _ in _spans(server)] == ["2026-09-01", "2026-09-03", "2026-09-05"]


def test_a_changed_day_is_listed_once(server: Loopback) -> None:
    server.answer = _reports(days_max=1, changed=["2026-09-01"])
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, Range(FIRST, FIRST + 2 * DAY), lambda _: None)
    assert done.changed == ["2026-09-01"]


def test_a_day_that_cannot_be_rebuilt_is_listed_with_the_reason(server: Loopback) -> None:
    reason = "segment 1 is missing"
    failed = {
        "day": "2026-09-01",
        "shard": 0,
        "segments": 0,
        "changed": None,
        "reason": reason,
    }
    server.answer = _reports(days=[failed])
    with Platform(server.dispatcher) as platform:
        done = rebuild(platform, Range(FIRST, FIRST + DAY), lambda _: None)
    assert done.failed == {"2026-09-01": "segment 1 is missing"}


def test_a_failed_request_is_retried(server: Loopback) -> None:
    answers = iter([Reply(b"", 503)])

    def answer(asked: Asked) -> Reply:
        return next(answers, None) or _reports()(asked)

    server.answer = answer
    with Platform(server.dispatcher) as platform:
        rebuild(platform, Range(FIRST, FIRST + DAY), lambda _: None)
    assert len(server.asked) == 2


def test_a_failure_says_how_to_continue(server: Loopback) -> None:
    server.answer = _reports(days_max=1)

    def fail_from_then_on(done: Rebuilt) -> None:
        if done.until == FIRST + DAY:
            server.answer = lambda _: Reply(b"", 503)

    with Platform(server.dispatcher) as platform, pytest.raises(NetworkError) as caught:
        rebuild(platform, Range(FIRST, FIRST + 3 * DAY), fail_from_then_on)
    assert "clawr rebuild --from 2026-09-02 --to 2026-09-04 --execute" in caught.value.advice


def test_a_rejected_token_is_an_error(server: Loopback) -> None:
    server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
    with Platform(server.dispatcher) as platform, pytest.raises(AccessError):
        rebuild(platform, Range(FIRST, FIRST + DAY), lambda _: None)


@pytest.mark.parametrize("report", [{"ok": True}, {"complete": False, "next": None}])
def test_an_unreadable_report_is_explained(report: dict[str, Any], server: Loopback) -> None:
    server.answer = lambda _: Reply(report)
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match="cannot be"):
        rebuild(platform, Range(FIRST, FIRST + DAY), lambda _: None)


def test_a_range_ends_today_at_the_latest() -> None:
    found = checked_range(NOON, NOON + 9 * DAY, NOON)
    assert found == Range(date(2026, 11, 22), date(2026, 11, 23))


def test_a_range_is_extended_to_whole_days() -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    later = NOON + 9 * DAY
    assert checked_range(NOON, midnight, later) == Range(date(2026, 11, 22), date(2026, 11, 24))
    past_midnight = midnight + timedelta(seconds=1)
    assert checked_range(NOON, past_midnight, later).end == date(2026, 11, 25)


@pytest.mark.parametrize("end", [NOON - DAY, NOON - 2 * DAY])
def test_an_empty_range_is_rejected(end: datetime) -> None:
    with pytest.raises(InputError, match="empty"):
        checked_range(NOON, end, NOON)
