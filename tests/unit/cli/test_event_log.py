"""Following the log: each event once, in order, without a gap."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from cli import platform as platform_module
from cli.analytics import event_log
from cli.analytics.event_lines import EventLines
from cli.analytics.event_log import Event, Follower, Wanted, followed, newest_events
from cli.errors import AccessError, CommandError, InputError
from cli.platform import Platform
from tests.cli.loopback import Asked, Loopback, Reply, answering, recorded

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()


@dataclass
class Log:
    """A log that gives pages as the dispatcher does: newest first, a cursor is a place."""

    events: list[tuple[float, str, int, str]] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    def add(self, at: float, name: str, status: int = 200, slug: str = "feasts") -> None:
        self.events.append((at, name, status, slug))

    def answer(self, asked: Asked) -> Reply:
        self.asked += 1
        if self.away:
            return Reply(b"", 502)
        places = sorted(self.events, key=lambda one: (-one[0], one[1]))
        limit = int(asked.query["limit"])
        assert limit <= event_log.PAGE_EVENTS_MAX
        if "cursor" in asked.query:
            at, _, name = asked.query["cursor"].partition("|")
            places = [one for one in places if (-one[0], one[1]) > (-float(at), name)]
        page = places[:limit]
        cursor = f"{page[-1][0]}|{page[-1][1]}" if len(places) > limit else None
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


def _follower(platform: Platform, seconds: float = 10**9) -> Follower:
    return Follower(platform, now=lambda: START + seconds)


@pytest.mark.usefixtures("small_pages")
def test_it_begins_with_the_last_ones_and_goes_on_with_new_ones(
    log: Log, platform: Platform
) -> None:
    for number in range(20):
        log.add(START + number, f"old-{number:02}")
    follower = _follower(platform)
    assert _names(follower.begin(2)) == ["old-18", "old-19"]
    assert _names(follower.look()) == []
    log.add(START + 30, "new")
    assert _names(follower.look()) == ["new"]


@pytest.mark.usefixtures("small_pages")
def test_more_than_pages_hold_between_two_looks_leaves_no_gap(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = _follower(platform)
    follower.begin(1)
    expected = [f"new-{number:03}" for number in range(57)]
    for number, name in enumerate(expected):
        log.add(START + 1_000 + number * 7, name)
    assert _names(follower.look()) == expected


@pytest.mark.usefixtures("small_pages")
def test_from_an_empty_log_on_everything_is_new(log: Log, platform: Platform) -> None:
    follower = _follower(platform)
    assert _names(follower.begin(10)) == []
    for number in range(12):
        log.add(START + number * 600, f"new-{number:02}")
    assert _names(follower.look()) == [f"new-{number:02}" for number in range(12)]


def test_an_event_that_comes_late_is_shown_when_it_comes(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = _follower(platform)
    follower.begin(1)
    log.add(START + 100, "newer")
    assert _names(follower.look()) == ["newer"]
    log.add(START + 30, "late")
    assert _names(follower.look()) == ["late"]
    assert _names(follower.look()) == []


def test_a_clock_that_is_ahead_hides_nobodys_events(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = _follower(platform, seconds=0)
    follower.begin(1)
    log.add(START + 86_400, "from tomorrow")
    assert _names(follower.look()) == ["from tomorrow"]
    log.add(START + 1, "of now")
    assert _names(follower.look()) == ["of now"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("small_pages")
def test_by_chance_each_event_is_given_once_and_in_order(
    seed: int, log: Log, platform: Platform
) -> None:
    random = Random(seed)
    follower = _follower(platform)
    now, written, given = START, [], list[Event]()
    follower.begin(0)
    for look in range(25):
        for number in range(random.choice((0, 0, 1, 3, 17))):
            # Late by less than it looks back.
            name = f"{look:02}-{number:02}"
            log.add(now - random.choice((0.0, 0.0, random.uniform(0, 100))), name)
            written.append(name)
        fresh = follower.look()
        assert _names(fresh) == _names(sorted(fresh, key=lambda one: (one.at, one.request_id)))
        given += fresh
        now += random.choice((1.0, 60.0, 3_600.0))
    assert sorted(_names(given)) == sorted(written)


def test_what_has_been_shown_is_not_remembered_for_ever(log: Log, platform: Platform) -> None:
    follower = _follower(platform)
    follower.begin(0)
    for number in range(50):
        log.add(START + number * 60, f"event-{number}")
        follower.look()
    assert len(follower._shown) <= event_log.LOOK_BACK_SECONDS / 60 + 1


def test_an_idle_log_costs_a_page_a_look(log: Log, platform: Platform) -> None:
    for number in range(1_000):
        log.add(START + number, f"event-{number}")
    follower = _follower(platform)
    follower.begin(1)
    log.asked = 0
    follower.look()
    assert log.asked == 1


def test_an_outage_is_said_once_and_leaves_no_gap(log: Log, platform: Platform) -> None:
    log.add(START, "first")
    follower = _follower(platform)
    follower.begin(1)
    said: list[str] = []
    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        log.away = looks in (2, 3)
        log.add(START + looks, f"event-{looks}")

    stream = followed(follower, 1.0, said.append, pause)
    assert _names(next(stream) for _ in range(4)) == [f"event-{number}" for number in range(1, 5)]
    assert [line.split(";")[-1].strip() for line in said[1:]] == ["nothing was left out."]
    assert len(said) == 2


def test_a_token_that_is_refused_ends_it(platform: Platform, server: Loopback) -> None:
    follower = _follower(platform)
    follower.begin(1)
    server.answer = lambda _: Reply({"error": "unauthorized"}, 401)
    with pytest.raises(AccessError):
        next(followed(follower, 1.0, pytest.fail, lambda _: None))


def test_only_what_is_wanted_is_found_on_as_many_pages_as_it_takes(
    log: Log, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS_MAX", 10)
    for number in range(100):
        log.add(START + number, f"event-{number:02}", 503 if number % 20 == 0 else 200)
    found, looked_at = newest_events(platform, Wanted(statuses=["5xx"]), 3)
    assert _names(found) == ["event-80", "event-60", "event-40"]
    assert looked_at == 60


def test_the_search_for_what_is_not_there_ends(
    log: Log, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS_MAX", 10)
    monkeypatch.setattr(event_log, "LOOKED_AT_MAX", 50)
    for number in range(100):
        log.add(START + number, f"event-{number}")
    assert newest_events(platform, Wanted(slugs=["nobody"]), 1) == ([], 50)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted(), True),
        (Wanted(slugs=["rates"]), True),
        (Wanted(slugs=["rate"]), False),
        (Wanted(statuses=["404", "2xx"]), True),
        (Wanted(statuses=["201"]), False),
        (Wanted(slugs=["rates"], statuses=["5xx"]), False),
    ],
)
def test_wanted(wanted: Wanted, has: bool) -> None:
    event = Event(datetime.now(UTC), "r-1", recorded_event())
    assert wanted.has(event) is has


@pytest.mark.parametrize("status", ["5x", "600", "abc", "", "5XX "])
def test_what_is_no_status_is_refused(status: str) -> None:
    with pytest.raises(InputError, match="is not a status"):
        Wanted(statuses=[status])


@pytest.mark.parametrize("body", [{}, {"events": [{}], "cursor": None}, {"events": None}])
def test_a_page_that_cannot_be_read_is_explained(body: dict[str, Any], server: Loopback) -> None:
    server.answer = lambda _: Reply(body)
    with Platform(server.dispatcher) as platform, pytest.raises(CommandError, match="cannot be"):
        newest_events(platform, Wanted(), 1)


@pytest.mark.parametrize("width", [80, 100, 112, 130, 140, 200])
def test_lines_are_as_wide_as_the_terminal_at_most(width: int) -> None:
    event = recorded_event() | {"endpoint": f"/t/{'long' * 20}", "outcome": "\x1b[31m" * 9}
    lines = EventLines(width)
    line = lines.line(Event(datetime.now(UTC), "r-1", event)).plain
    assert len(line) <= width
    assert len(lines.head().plain) <= width
    assert line.isprintable()
    assert "$0.01" in line
