"""Worst-case Workers KV on virtual time: everything that its documentation does not rule out.

That is: listings that lag; reads of old values, and of keys reported missing; refused, failed,
slow, late and hanging writes; and outages
(https://developers.cloudflare.com/kv/concepts/how-kv-works/, .../kv/platform/limits/).
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
    """The faults of KV in one run; none by default.

    Shares are probabilities for one operation. `outages` are spans in virtual milliseconds in
    which everything fails.
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
    """The prefixes of keys of which reads may return old values."""
    page_keys: int = PAGE_KEYS_MAX
    odd_pages: float = 0.0
    outages: Sequence[tuple[float, float]] = ()


class Version(NamedTuple):
    """One value of a key, valid from `at_ms` until `expires_ms`; None if it was deleted."""

    at_ms: float
    value: str | None
    metadata: Mapping[str, Json]
    expires_ms: float = float("inf")


class Write(NamedTuple):
    """A put, or a deletion, which has no value."""

    key: str
    value: str | None
    metadata: Mapping[str, Json]
    lives_ms: float = float("inf")


class Effect(Enum):
    """The effect of a put, and the response that the writer gets."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    FAILED_AFTER_EFFECT = "failed after effect"
    FAILED_BEFORE_EFFECT = "failed, and takes effect later"
    HANGS_AFTER_EFFECT = "takes effect without a response"
    HANGS = "never responds"


_WITHOUT_EFFECT = (Effect.REFUSED, Effect.FAILED, Effect.HANGS)
WITHOUT_RESPONSE = (Effect.HANGS, Effect.HANGS_AFTER_EFFECT)


@dataclass(slots=True)
class SimulatedKv:
    """The true contents of one namespace; what reads see of it depends on the location.

    `watch` is called with the key and version of each write that takes effect.
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
    """The context of KV's own work, which continues when an isolate dies."""
    _names: list[str] = field(default_factory=list)
    _lags: dict[tuple[str, str], float] = field(default_factory=dict)
    _seen: dict[tuple[str, str], Version | None] = field(default_factory=dict)

    def place(self, write: Write) -> None:
        """Apply a write now."""
        key, now_ms = write.key, self.loop.now_ms
        version = Version(now_ms, write.value, write.metadata, now_ms + write.lives_ms)
        if key in self.records:
            self.records[key].append(version)
        else:
            self.records[key] = [version]
            insort(self._names, key)
        self.watch(key, version)

    def content(self, prefix: str = "") -> Mapping[str, str]:
        """Return the true contents by key, in ascending order."""
        newest = ((name, self._living(self.records[name][-1])) for name in self.names(prefix))
        return {name: version.value or "" for name, version in newest if version is not None}

    def names(self, prefix: str) -> Sequence[str]:
        """Return all keys with `prefix` that ever existed, in ascending order."""
        start = bisect_left(self._names, prefix)
        end = bisect_left(self._names, prefix + "\U0010ffff", start)
        return self._names[start:end]

    def is_out(self) -> bool:
        now_ms = self.loop.now_ms
        return any(start <= now_ms < end for start, end in self.temper.outages)

    def draw_effect(self) -> Effect:
        """Draw the effect of a put."""
        temper, drawn = self.temper, self.random.random()
        for share, effect in (
            (temper.refused, Effect.REFUSED),
            (temper.failed, Effect.FAILED),
            (temper.failed_after_effect, Effect.FAILED_AFTER_EFFECT),
            (temper.failed_before_effect, Effect.FAILED_BEFORE_EFFECT),
            (temper.hangs, Effect.HANGS),
            (temper.hangs, Effect.HANGS_AFTER_EFFECT),
        ):
            drawn -= share
            if drawn < 0:
                return effect
        return Effect.DONE

    def delay_ms(self) -> float:
        """Draw the duration of one way to KV or back."""
        if self.random.random() < self.temper.slow:
            return self.random.uniform(100, 5_000)
        return self.random.uniform(1, 60)

    def arrive(self, write: Write, effect: Effect) -> Effect:
        """Process a write that arrives at KV; return its effect."""
        versions = self.records.get(write.key)
        if effect in _WITHOUT_EFFECT:
            return effect
        if self.is_out() or (
            versions is not None and self.loop.now_ms - versions[-1].at_ms < WRITE_INTERVAL_MS
        ):
            return Effect.HANGS if effect in WITHOUT_RESPONSE else Effect.REFUSED
        self.place(write)
        return effect

    def listed(self, location: str, name: str) -> Version | None:
        """Return the version of a key that a listing shows at `location`, if any."""
        return self._living(self._listed(location, name))

    def read(self, location: str, name: str) -> Version | None:
        """Return the version of a key that a read returns at `location`; None for missing."""
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
        # Reads may return a replaced version for a while.
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
