"""How single values are shown: numbers, money, times, shares, and texts of other people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

MICROS: Final = 1_000_000
_BARS: Final = "▁▂▃▄▅▆▇█"


def plain_text(text: object) -> str:
    """Return a text that cannot move the cursor or colour anything, whoever wrote it."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(text))


def money(micros: int) -> str:
    """Return micro-dollars in dollars: in cents where that is exact, else in full."""
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    if micros % 10_000 == 0:
        return f"{sign}${micros / MICROS:,.2f}"
    return f"{sign}${micros / MICROS:,.6f}"


def cents(micros: int) -> str:
    """Return micro-dollars in dollars, rounded to cents, or to what shows that it is not none."""
    if 0 < micros < 10_000:
        return f"${micros / MICROS:.6f}".rstrip("0")
    return f"${micros / MICROS:,.2f}"


def clock_time(moment: datetime) -> str:
    """Return the time of day in UTC."""
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def read_time(text: str) -> datetime:
    """Return the time that the dispatcher wrote; raises `ValueError` if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def span_text(seconds: float) -> str:
    """Return a length of time in the largest unit that suits it."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def change(now: int, before: int) -> str:
    """Return by how much a figure has changed, as an arrow and per cent; empty without any."""
    if not before or now == before:
        return ""
    percent = 100 * (now - before) / before
    return f"{'▲' if percent > 0 else '▼'} {abs(percent):,.0f} %"


def bars(values: Sequence[int], width: int) -> str:
    """Draw figures as a row of bars, the lowest of which stands for zero.

    Args:
        values: Figures from 0 up, the oldest first.
        width: How many characters there are at most; neighbours are added up to fit.
    """
    if not values:
        return ""
    # The newest group is a whole one, so that groups keep their members as time goes on.
    size = -(-len(values) // width)
    groups = [sum(values[max(0, end - size) : end]) for end in range(len(values), 0, -size)][::-1]
    most = max(groups) or 1
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-value * steps // most)] for value in groups)
