"""Workers KV at its worst, on virtual time.

Owns what KV may do without breaking its documentation
(https://developers.cloudflare.com/kv/concepts/how-kv-works/, .../kv/platform/limits/):
listings that lag, reads of old values and of keys that are said to be missing,
refused, failed, slow, late and hanging writes, outages. Refuses to know what
the keys mean, and what asking costs: that is `store`'s.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import NamedTuple

from core.ports import Json
from tests.simulation.loop import VirtualLoop

PAGE_KEYS_MAX = 1_000
WRITE_INTERVAL_MS = 1_000

LISTING_LAG_MS_MAX = 120_000
STALE_READ_MS_MAX = 60_000


@dataclass(frozen=True, slots=True)
class Temper:
    """How KV behaves in one run; all zero is KV at its best.

    The shares are probabilities for one operation; `outages` are spans of
    virtual milliseconds in which everything fails.
    """

    refused: float = 0.0
    failed: float = 0.0
    failed_after_effect: float = 0.0
    failed_before_effect: float = 0.0
    slow: float = 0.0
    hangs: float = 0.0
    reads_fail: float = 0.0
    listing_lag_ms: int = 0
    listing_flaps: float = 0.0
    stale: float = 0.0
    stale_keys: tuple[str, ...] = ("",)
    """How keys start that are out of date when they are read; some may be while others are not."""
    page_keys: int = PAGE_KEYS_MAX
    odd_pages: float = 0.0
    outages: Sequence[tuple[float, float]] = ()


class Version(NamedTuple):
    """One value that a key had, since when, until when, and with what metadata.

    Without a value the key was deleted.
    """

    at_ms: float
    value: str | None
    metadata: Mapping[str, Json]
    expires_ms: float = float("inf")


class Write(NamedTuple):
    """A put on its way, or a deletion, which has no value."""

    key: str
    value: str | None
    metadata: Mapping[str, Json]
    lives_ms: float = float("inf")


class Fate(Enum):
    """What becomes of a put: whether it takes effect, and what the writer is told when."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    FAILED_AFTER_EFFECT = "failed after effect"
    FAILED_BEFORE_EFFECT = "failed, and takes effect later"
    HANGS_AFTER_EFFECT = "takes effect and never answers"
    HANGS = "never answers"


_WITHOUT_EFFECT = (Fate.REFUSED, Fate.FAILED, Fate.HANGS)
WITHOUT_ANSWER = (Fate.HANGS, Fate.HANGS_AFTER_EFFECT)


@dataclass(slots=True)
class SimulatedKv:
    """One namespace, as it truly is; what is seen of it depends on the location.

    `watch` is called with key, value and metadata whenever a write takes effect.
    """

    loop: VirtualLoop
    random: Random
    temper: Temper = field(default_factory=Temper)
    watch: Callable[[str, Version], None] = lambda _key, _version: None
    records: dict[str, list[Version]] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    acknowledged: dict[str, str | None] = field(default_factory=dict)
    operations: int = 0
    outside: Context = field(default_factory=Context)
    """Where KV's own work runs, which goes on when an isolate dies."""
    _names: list[str] = field(default_factory=list)
    _lags: dict[tuple[str, str], float] = field(default_factory=dict)
    _seen: dict[tuple[str, str], Version | None] = field(default_factory=dict)

    def place(self, write: Write) -> None:
        """Let a write take effect now."""
        key, now_ms = write.key, self.loop.now_ms
        version = Version(now_ms, write.value, write.metadata, now_ms + write.lives_ms)
        if key in self.records:
            self.records[key].append(version)
        else:
            self.records[key] = [version]
            insort(self._names, key)
        self.watch(key, version)

    def content(self, prefix: str = "") -> Mapping[str, str]:
        """What is truly there, by key in ascending order."""
        newest = ((name, self._living(self.records[name][-1])) for name in self.names(prefix))
        return {name: version.value or "" for name, version in newest if version is not None}

    def names(self, prefix: str) -> Sequence[str]:
        """The keys that ever were there and start with `prefix`, in ascending order."""
        start = bisect_left(self._names, prefix)
        end = bisect_left(self._names, prefix + "\U0010ffff", start)
        return self._names[start:end]

    def is_out(self) -> bool:
        now_ms = self.loop.now_ms
        return any(start <= now_ms < end for start, end in self.temper.outages)

    def fate(self) -> Fate:
        """Choose what becomes of a put."""
        temper, drawn = self.temper, self.random.random()
        for share, fate in (
            (temper.refused, Fate.REFUSED),
            (temper.failed, Fate.FAILED),
            (temper.failed_after_effect, Fate.FAILED_AFTER_EFFECT),
            (temper.failed_before_effect, Fate.FAILED_BEFORE_EFFECT),
            (temper.hangs, Fate.HANGS),
            (temper.hangs, Fate.HANGS_AFTER_EFFECT),
        ):
            drawn -= share
            if drawn < 0:
                return fate
        return Fate.DONE

    def delay_ms(self) -> float:
        """Choose how long one way to KV takes."""
        if self.random.random() < self.temper.slow:
            return self.random.uniform(100, 5_000)
        return self.random.uniform(1, 60)

    def arrive(self, write: Write, fate: Fate) -> Fate:
        """Let a write arrive at KV, and say what became of it."""
        versions = self.records.get(write.key)
        if fate in _WITHOUT_EFFECT:
            return fate
        if self.is_out() or (
            versions is not None and self.loop.now_ms - versions[-1].at_ms < WRITE_INTERVAL_MS
        ):
            return Fate.HANGS if fate in WITHOUT_ANSWER else Fate.REFUSED
        self.place(write)
        return fate

    def listed(self, location: str, name: str) -> Version | None:
        """Choose which version of a key a listing shows at `location`, if any."""
        return self._living(self._listed(location, name))

    def read(self, location: str, name: str) -> Version | None:
        """Choose which version of a key a read gives at `location`; None for missing."""
        return self._living(self._read(location, name))

    def _living(self, version: Version | None) -> Version | None:
        if version is None or version.value is None or version.expires_ms <= self.loop.now_ms:
            return None
        return version

    def _listed(self, location: str, name: str) -> Version | None:
        versions = self.records[name]
        now_ms, lag_ms_max = self.loop.now_ms, self.temper.listing_lag_ms
        if now_ms - versions[-1].at_ms >= lag_ms_max:
            return versions[-1]
        lag_ms = self._lags.get((location, name))
        if lag_ms is None:
            lag_ms = self._lags[location, name] = self.random.uniform(0, lag_ms_max)
        if self.random.random() < self.temper.listing_flaps:
            lag_ms = self.random.uniform(0, lag_ms_max)
        settled = [version for version in versions if version.at_ms <= now_ms - lag_ms]
        return settled[-1] if settled else None

    def _read(self, location: str, name: str) -> Version | None:
        versions = self.records.get(name)
        if versions is None:
            return None
        horizon_ms = self.loop.now_ms - STALE_READ_MS_MAX
        newest = versions[-1]
        is_steady = not self.temper.stale or not name.startswith(self.temper.stale_keys)
        if is_steady or newest.at_ms <= horizon_ms:
            return newest
        possible: list[Version | None] = [newest]
        # A version may still be read for a while after the next one has replaced it.
        possible += [
            old
            for old, new in zip([None, *versions[:-1]], versions, strict=True)
            if new.at_ms > horizon_ms
        ]
        place = (location, name)
        seen = self._seen.get(place, newest)
        if place not in self._seen or seen not in possible or self.random.random() < 0.3:
            seen = newest
            if self.random.random() < self.temper.stale:
                seen = self.random.choice(possible)
            self._seen[place] = seen
        return seen
