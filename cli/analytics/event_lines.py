"""Formats usage events, one per line, in columns of fixed width."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from cli.analytics.event_log import Event
from cli.analytics.formatting import cents, plain_text


@dataclass(frozen=True, slots=True)
class _Column:
    """A column.

    Args:
        heading: The heading.
        width: The width in characters.
        width_min: The least terminal width at which it is shown.
        is_number: Whether it is aligned to the right.
    """

    heading: str
    width: int
    width_min: int = 0
    is_number: bool = False


_COLUMNS = (
    _Column("date", 10, 130),
    _Column("time (UTC)", 12),
    _Column("status", 6),
    _Column("method", 7),
    _Column("API", 20),
    _Column("outcome", 22, 100),
    _Column("ms", 6, is_number=True),
    _Column("revenue", 9, is_number=True),
    _Column("caller", 16, 112),
    _Column("request", 23, 140),
)
_STYLES = {"2": "green", "3": "cyan", "4": "yellow", "5": "red"}


@dataclass(frozen=True, slots=True)
class EventLines:
    """Formats events for a terminal.

    Args:
        width: The terminal's width in characters.
    """

    width: int

    def head(self) -> Text:
        """Return the line of headings."""
        return Text(self._joined({column.heading: column.heading for column in _COLUMNS}), "dim")

    def line(self, event: Event) -> Text:
        """Return an event's line."""
        one = event.document
        text = Text(self._joined(_cells(event, one)))
        style = _STYLES.get(str(one.get("status"))[:1], "")
        start = 0
        for column in self._shown():
            if column.heading == "status":
                text.stylize(style, start, start + column.width)
            start += column.width + 2
        return text

    def _shown(self) -> list[_Column]:
        return [column for column in _COLUMNS if column.width_min <= self.width]

    def _joined(self, cells: Mapping[str, str]) -> str:
        parts = []
        for column in self._shown():
            cell = cells[column.heading]
            if len(cell) > column.width:
                cell = f"{cell[: column.width - 1]}…"
            parts.append(cell.rjust(column.width) if column.is_number else cell.ljust(column.width))
        return "  ".join(parts).rstrip()


def _cells(event: Event, one: Mapping[str, Any]) -> Mapping[str, str]:
    micros = one.get("revenueMicros") or 0
    return {
        "date": f"{event.at:%Y-%m-%d}",
        "time (UTC)": f"{event.at:%H:%M:%S}.{event.at.microsecond // 1000:03}",
        "status": plain_text(one.get("status")),
        "method": plain_text(one.get("method")),
        "API": plain_text(one.get("endpoint") or "-"),
        "outcome": plain_text(one.get("outcome")),
        "ms": plain_text(one.get("latencyMs")),
        "revenue": cents(micros) if isinstance(micros, int) and micros else "",
        "caller": plain_text(one.get("caller") or "-"),
        "request": plain_text(event.request_id),
    }
