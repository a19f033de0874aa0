"""Formats single values: text from others, money, times, changes and bars."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

MICROS: Final = 1_000_000
_MICROS_PER_CENT: Final = 10_000
_BARS: Final = "▁▂▃▄▅▆▇█"


def plain_text(text: object) -> str:
    """Return a text without control characters, which could move the cursor or set colors."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(text))


def money(micros: int) -> str:
    """Return micro-dollars as dollars: with two decimals if that is exact, otherwise with six."""
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    if micros % 10_000 == 0:
        return f"{sign}${two_decimals(micros)}"
    return f"{sign}${micros / MICROS:,.6f}"


def cents(micros: int) -> str:
    """Return micro-dollars as dollars, rounded to cents; amounts below a cent are not rounded."""
    if 0 < micros < 10_000:
        return f"${micros / MICROS:.6f}".rstrip("0")
    return f"${two_decimals(micros)}"


def two_decimals(micros: int) -> str:
    """Return micro-dollars of at least 0 as dollars with two decimals; half a cent is rounded up.

    The dispatcher and its page round in the same way. A float would round 0.015 down, which no
    float represents exactly.
    """
    whole, part = divmod((micros + _MICROS_PER_CENT // 2) // _MICROS_PER_CENT, 100)
    return f"{whole:,}.{part:02d}"


def clock_time(moment: datetime) -> str:
    """Return the time of day in UTC."""
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def read_time(text: str) -> datetime:
    """Return a time from the dispatcher; raises `ValueError` if it is not valid."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def span_text(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def change(now: int, before: int) -> str:
    """Return the relative change as an arrow and per cent; empty if there is none."""
    if not before or now == before:
        return ""
    percent = 100 * (now - before) / before
    return f"{'▲' if percent > 0 else '▼'} {abs(percent):,.0f} %"


def bars(values: Sequence[int], width: int) -> str:
    """Draw values as a row of bars. The lowest bar means zero.

    Args:
        values: Values from 0 up, oldest first.
        width: The maximum number of characters; adjacent values are added up to fit.
    """
    if not values:
        return ""
    # Only the oldest group may be incomplete, so that the newest bars are comparable.
    size = -(-len(values) // width)
    groups = [sum(values[max(0, end - size) : end]) for end in range(len(values), 0, -size)][::-1]
    most = max(groups) or 1
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-value * steps // most)] for value in groups)
