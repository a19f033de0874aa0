"""Following the log returns each event once, in order, without gaps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics import event_log
from cli.analytics.event_lines import EventLines
from cli.analytics.event_log import Event, EventFilter, Follower, follow, newest_events
from cli.errors import AccessError, CommandError, InputError
from cli.platform import Platform
from tests.cli.loopback import Asked, Loopback, Reply, answering, recorded

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()


@dataclass
class Log:
    """A log with the dispatcher's pages: in reverse order of arrival, with a cursor."""

    events: list[tuple[float, str, int, str]] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    def add(self, at: float, name: str, status: int = 200, slug: str = "feasts") -> None:
        self.events.append((at, name, status, slug))

    def answer(self, asked: Asked) -> Reply:
        self.asked += 1
        if self.away:
            return Reply(b"", 502)
        limit = int(asked.query["limit"])
        assert limit <= event_log.PAGE_EVENTS_MAX
        end = int(asked.query.get("cursor", len(self.events)))
        first = max(0, end - limit)
        page = self.events[first:end][::-1]
        cursor = str(first) if first else None
        return Reply({"ok": True, "events": [_event(*one) for one in page], "cursor": cursor})


def _event(at: float, name: str, status: int, slug: str) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    return recorded_event() | {
        "requestId": name,
        "at": moment,
        "status": status,
        "endpoint": f"/t/{slug}",
    }


def recorded_event() -> dict[str, Any]:
    event: dict[str, Any] = recorded("events")["events"][0]
    return event


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def server(log: Log, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    with answering(log.answer) as server:
        yield server


@pytest.fixture
def platform(server: Loopback) -> Iterator[Platform]:
    with Platform(server.dispatcher) as platform:
        yield platform


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_FIRST_PAGE_EVENTS", 3)
    monkeypatch.setattr(event_log, "PAGE_EVENTS_MAX", 5)


def _names(events: Any) -> list[str]:
    return [event.request_id for event in events]


@pytest.mark.usefixtures("small_pages")
def test_following_starts_with_the_last_events_and_continues_with_new_ones(
    log: Log, platform: Platform
) -> None:
    for number in range(20):
        log.add(START + number, f"old-{number:02}")
    follower = Follower(platform)
    assert _names(follower.begin(2)) == ["old-18", "old-19"]
    assert _names(follower.poll()) == []
    log.add(START + 30, "new")
    assert _names(follower.poll()) == ["new"]


@pytest.mark.usefixtures("small_pages")
def test_many_events_between_two_polls_leave_no_gap(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = Follower(platform)
    follower.begin(1)
    expected = [f"new-{number:03}" for number in range(57)]
    for number, name in enumerate(expected):
        log.add(START + 1_000 + number * 7, name)
    assert _names(follower.poll()) == expected


@pytest.mark.usefixtures("small_pages")
def test_after_an_empty_log_every_event_is_new(log: Log, platform: Platform) -> None:
    follower = Follower(platform)
    assert _names(follower.begin(10)) == []
    for number in range(12):
        log.add(START + number * 600, f"new-{number:02}")
    assert _names(follower.poll()) == [f"new-{number:02}" for number in range(12)]


def test_a_late_event_is_returned_when_it_arrives(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = Follower(platform)
    follower.begin(1)
    log.add(START + 100, "newer")
    assert _names(follower.poll()) == ["newer"]
    log.add(START + 30, "late")
    assert _names(follower.poll()) == ["late"]
    assert _names(follower.poll()) == []


def test_an_event_from_the_future_does_not_hide_others(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = Follower(platform)
    follower.begin(1)
    log.add(START + 86_400, "from tomorrow")
    assert _names(follower.poll()) == ["from tomorrow"]
    log.add(START + 1, "of now")
    assert _names(follower.poll()) == ["of now"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("small_pages")
def test_random_events_are_returned_once_and_in_order(
    seed: int, log: Log, platform: Platform
) -> None:
    random = Random(seed)
    follower = Follower(platform)
    now, written, returned = START, [], list[Event]()
    follower.begin(0)
    for poll in range(25):
        for number in range(random.choice((0, 0, 1, 3, 17))):
            name = f"{poll:02}-{number:02}"
            log.add(now - random.choice((0.0, 0.0, random.uniform(0, 10_000))), name)
            written.append(name)
        fresh = follower.poll()
        assert _names(fresh) == _names(sorted(fresh, key=lambda one: (one.at, one.request_id)))
        returned += fresh
        now += random.choice((1.0, 60.0, 3_600.0))
    assert sorted(_names(returned)) == sorted(written)


@pytest.mark.usefixtures("small_pages")
def test_old_ids_are_forgotten(
    log: Log, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_REMEMBERED_MAX", 10)
    follower = Follower(platform)
    follower.begin(0)
    for number in range(50):
        log.add(START + number * 60, f"event-{number}")
        assert _names(follower.poll()) == [f"event-{number}"]
    assert len(follower._shown) == 10


def test_polling_an_idle_log_reads_one_page(log: Log, platform: Platform) -> None:
    for number in range(1_000):
        log.add(START + number, f"event-{number}")
    follower = Follower(platform)
    follower.begin(1)
    log.asked = 0
    follower.poll()
    assert log.asked == 1


def test_an_outage_is_reported_once_and_leaves_no_gap(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = Follower(platform)
    follower.begin(1)
    notes: list[str] = []
    polls = 0

    def pause(_: float) -> None:
        nonlocal polls
        polls += 1
        log.away = polls in (2, 3)
        log.add(START + polls, f"event-{polls}")

    stream = follow(follower, 1.0, notes.append, pause)
    assert _names(next(stream) for _ in range(4)) == [f"event-{number}" for number in range(1, 5)]
    assert len(notes) == 2
    assert notes[1].endswith("No event was left out.")


def test_a_rejected_token_ends_following(platform: Platform, server: Loopback) -> None:
    follower = Follower(platform)
    follower.begin(1)
    server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
    with pytest.raises(AccessError):
        next(follow(follower, 1.0, pytest.fail, lambda _: None))


def test_matching_events_are_searched_on_all_pages(
    log: Log, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS_MAX", 10)
    for number in range(100):
        log.add(START + number, f"event-{number:02}", 503 if number % 20 == 0 else 200)
    found, searched = newest_events(platform, EventFilter(statuses=["5xx"]), 3)
    assert _names(found) == ["event-80", "event-60", "event-40"]
    assert searched == 60


def test_a_search_without_matches_ends(
    log: Log, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS_MAX", 10)
    for number in range(100):
        log.add(START + number, f"event-{number}")
    assert newest_events(platform, EventFilter(slugs=["unknown"]), 1, searched_max=50) == ([], 50)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (EventFilter(), True),
        (EventFilter(slugs=["rates"]), True),
        (EventFilter(slugs=["rate"]), False),
        (EventFilter(statuses=["404", "2xx"]), True),
        (EventFilter(statuses=["201"]), False),
        (EventFilter(slugs=["rates"], statuses=["5xx"]), False),
    ],
)
def test_the_filter_matches_slugs_and_statuses(wanted: EventFilter, matches: bool) -> None:
    event = Event(datetime.now(UTC), "r-1", recorded_event())
    assert wanted.matches(event) is matches


@pytest.mark.parametrize("status", ["5x", "600", "abc", "", "5XX "])
def test_an_invalid_status_is_rejected(status: str) -> None:
    with pytest.raises(InputError, match="is not a status"):
        EventFilter(statuses=[status])


@pytest.mark.parametrize("body", [{}, {"events": [{}], "cursor": None}, {"events": None}])
def test_an_unreadable_page_is_explained(body: dict[str, Any], server: Loopback) -> None:
    server.answer = lambda _: Reply(body)
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match="cannot be"):
        newest_events(platform, EventFilter(), 1)


@pytest.mark.parametrize("width", [80, 100, 112, 130, 140, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    event = recorded_event() | {"endpoint": f"/t/{'long' * 20}", "outcome": "\x1b[31m" * 9}
    lines = EventLines(width)
    line = lines.line(Event(datetime.now(UTC), "r-1", event)).plain
    assert len(line) <= width
    assert len(lines.head().plain) <= width
    assert line.isprintable()
    assert "$0.01" in line
