"""The window cache changes the cost of a read, but not its snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import constants, keys
from core.calendar import HOUR_MS, MINUTE_MS
from metering.events import Api, UsageEvent
from metering.sketches import callers
from snapshots.render import WINDOWS, snapshot
from snapshots.window_cache import WindowCache
from tests.support.builders import event
from tests.support.fakes import NOON_MS
from tests.support.usage_log import Log

MINUTE = MINUTE_MS
START_MS = NOON_MS - 12 * HOUR_MS - 40 * MINUTE
"""Early enough that a run passes midnight and full hours."""


@pytest.fixture(scope="module", autouse=True)
def low_limit() -> Iterator[None]:
    """Lower the limit, so that a few callers are estimated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers, "EXACT_CALLERS_MAX", 4)
        yield


def some_event(chance: Random, at_ms: int) -> UsageEvent:
    number = chance.randrange(4)
    # Categories change sometimes, and the newest one counts.
    api = Api(f"t{number}", f"api-{number}", "alice", chance.choice(("", "Data", "Data", "AI")), 10)
    return event(
        at_ms,
        api,
        status=chance.choice((200, 200, 500)),
        latency_ms=chance.randrange(1_000),
        caller=f"{chance.randrange(1, 12) * 0x9E3779B97F4A7C15 % 2**64:016x}",
        counted=chance.random() < 0.9,
        revenue_micros=chance.choice((0, 10)),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.booleans())
def test_a_filled_cache_gives_the_same_snapshots_as_an_empty_one(
    seed: int, pause_minutes: int, is_split: bool
) -> None:
    chance = Random(seed)
    log, caches = Log(), {window: WindowCache() for window in WINDOWS}
    now_ms = START_MS
    with pytest.MonkeyPatch.context() as patch:
        if is_split:
            patch.setattr(constants, "SUMMARY_PART_LENGTH_MAX", 500)
        for _ in range(8):
            is_late = chance.random() < 0.3
            back_ms = 30 * MINUTE if is_late else 2 * MINUTE
            times = sorted(now_ms - chance.randrange(back_ms) for _ in range(chance.randrange(12)))
            events = [some_event(chance, at_ms) for at_ms in times]
            log.commit(events, written_ms=now_ms if is_late else None)
            if chance.random() < 0.7:
                log.compact(now_ms, chance.choice((20, 10_000)))
            for window in WINDOWS:
                new = snapshot(window, log.read(window, now_ms), WindowCache(), now_ms, 25)
                cache = caches[window]
                again = snapshot(window, log.read(window, now_ms, cache), cache, now_ms, 25)
                if again["freshness"]["complete"] or new["freshness"]["complete"]:
                    assert again == new
            now_ms += chance.randrange(1, pause_minutes * MINUTE)
        # Late markers are processed once a minute.
        now_ms += MINUTE
        log.compact(now_ms)
        for window, cache in caches.items():
            assert log.calls(window, now_ms, cache) == log.expected(window, now_ms)


def test_only_new_data_is_read() -> None:
    log, cache = Log(), WindowCache()
    log.commit([event(NOON_MS - minute * MINUTE) for minute in range(90)])
    log.compact(NOON_MS)
    snapshot("today", log.read("today", NOON_MS, cache), cache, NOON_MS, 25)
    log.store.operations.clear()
    assert len(log.read("today", NOON_MS, cache).summaries) > 10
    assert sorted(log.store.operations) == ["get", "list"], (
        "the state of compaction, and new batches"
    )


@pytest.mark.parametrize("window", WINDOWS)
def test_an_earlier_base_replaces_one_that_kv_does_not_show_yet(window: str) -> None:
    log = Log()
    log.commit([event(NOON_MS - minute * MINUTE) for minute in range(0, 300, 7)])
    for minutes in (-38, 22):
        log.compact(NOON_MS + minutes * MINUTE)
    now_ms = NOON_MS + 23 * MINUTE
    newest = f"summary/base/{keys.summary('hour', NOON_MS // MINUTE).rpartition('/')[2]}"
    hidden = [key for key in log.store.values if key.startswith(newest)]
    assert len(hidden) == 4
    for key in hidden:
        del log.store.values[key]
    data = log.read(window, now_ms)
    assert data.complete
    assert any(part.key.startswith("summary/base/") for part in data.summaries)
    assert log.calls(window, now_ms) == log.expected(window, now_ms)
