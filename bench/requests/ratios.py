"""Ratios of the request benchmark with their targets, from stored results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.ports import Json

BODY_GROWTH_MB = 9.0
"""Maximum growth of the peak memory from 10 MB to 100 MB bodies: a tenth of the growth if bodies
were buffered."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A comparison: median, minimum and maximum over the rounds, and the target.

    `at_least` and `at_most` are the target, `None` without one. If both are set, they are equal,
    and minimum and maximum must meet them too.
    """

    what: str
    median: float
    lowest: float
    highest: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; `None` without a target."""
        if self.at_least is not None and self.at_most is not None:
            return self.at_least <= self.lowest <= self.highest <= self.at_most
        if self.at_least is not None:
            return self.median >= self.at_least
        if self.at_most is not None:
            return self.median <= self.at_most
        return None

    @property
    def figure(self) -> str:
        """The median with its unit."""
        return f"{self._number(self.median)} {self.unit}"

    @property
    def rounds(self) -> str:
        """Minimum and maximum of the rounds; empty if they are equal."""
        if self.lowest == self.highest:
            return ""
        return f"{self._number(self.lowest)} to {self._number(self.highest)}"

    @property
    def target(self) -> str:
        """The target as text; empty without one."""
        if self.at_least is not None:
            sign = "≥" if self.at_most is None else "="
            return f"{sign} {self.at_least:g} {self.unit}"
        return "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}"

    def _number(self, value: float) -> str:
        if self.at_least is not None and self.at_most is not None:
            # Precise enough to show one of a million.
            return f"{value:.7g}"
        digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
        return f"{value:.{digits}f}"


def ratios(requests: Sequence[Json], bodies: Sequence[Json]) -> Iterable[Ratio]:
    """Compare this dispatcher, with a free API, with the other contenders.

    Args:
        requests: `RequestFigures` as JSON.
        bodies: `BodyFigures` as JSON.
    """
    by = {one["letter"]: one for one in requests}
    f = by["f"]
    for letter, least in (("c", 1.0), ("d", 4.0), ("e", 2.0)):
        yield over(f, by[letter], "responses/s, (f) / ({})", "per_second", at_least=least)
    yield recorded("requests in the log / sent, (f)", f, [f["recorded"]])
    yield each(
        "small request, one connection, p50, (f) minus (c)",
        [mine - theirs for mine, theirs in _rounds(f, by["c"], "alone_ms")],
        "ms",
        at_most=0.0,
    )
    yield over(f, by["c"], "sixteen connections, p99, (f) / ({})", "busy_p99_ms", at_most=1.5)
    yield over(f, by["b"], "1 MB down, (f) / ({})", "download_ms", at_most=1.05)
    yield over(f, by["b"], "10 MB up, (f) / ({})", "upload_ms", at_most=1.05)
    for size, name in (("1 MB down", "download_ms"), ("10 MB up", "upload_ms")):
        bodies_alone = zip(_body_ms(f, name), _body_ms(by["b"], name), strict=True)
        yield each(
            f"{size}, minus a small request, (f) minus (b)",
            [mine - theirs for mine, theirs in bodies_alone],
            "ms",
        )
    yield over(f, by["b"], "1 MB in chunks, last byte, (f) / ({})", "last_ms", at_most=1.05)
    yield each(
        "1 MB in chunks, first byte / last byte, (f)",
        [first / last for first, last in zip(f["first_ms"], f["last_ms"], strict=True)],
        "times",
    )
    for one in bodies:
        pairs = zip(one["hundred_mb"], one["ten_mb"], strict=True)
        yield each(
            f"memory growth from 10 MB to 100 MB uploads, ({one['letter']})",
            [hundred - ten for hundred, ten in pairs],
            "MB",
            at_most=BODY_GROWTH_MB,
        )
    yield over(f, by["c"], "CPU of a small request, (f) / ({})", "cpu_ms")


def recorded(what: str, one: Json, places: Sequence[int]) -> Ratio:
    """Compare recorded with sent requests: none lost, none counted twice."""
    shares = [place / one["sent"] for place in places]
    return each(what, shares, "times", at_least=1.0, at_most=1.0)


def _body_ms(one: Json, name: str) -> Iterable[float]:
    """Return the time of the body: a request with it minus a small one."""
    return [whole - small for whole, small in zip(one[name], one["alone_ms"], strict=True)]


def over(
    mine: Json,
    theirs: Json,
    what: str,
    name: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Ratio:
    """Divide a field of one contender by that of another, round by round.

    `what` names the comparison; `{}` in it becomes the other's letter.
    """
    values = [over / under for over, under in _rounds(mine, theirs, name)]
    return each(what.format(theirs["letter"]), values, "times", at_least=at_least, at_most=at_most)


def _rounds(mine: Json, theirs: Json, name: str) -> Iterable[tuple[float, float]]:
    return zip(mine[name], theirs[name], strict=True)


def each(
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Ratio:
    """Summarize the values of the rounds, with their target."""
    median = statistics.median(values)
    return Ratio(what, median, min(values), max(values), unit, at_least, at_most)
