"""Shows a snapshot in a terminal: totals, a ranking with bars, freshness and accuracy.

It adapts to the terminal's width: 80 columns are enough, 200 show everything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from cli.analytics.formatting import bars, cents, change, clock_time, span_text
from cli.analytics.snapshot import Api, Snapshot

ERRORS_WARNING_PERCENT = 5
WIDTH_MAX = 200
WIDTH_WITHOUT_TERMINAL = 120

_BARS_WIDTH_MIN = 8
_BARS_WIDTH_MAX = 30
"""One bar for each day of `overall`."""

_NAME_WIDTH = 16
"""The least width of a name if the bars are wider than their minimum."""

_NAME_WIDTH_MIN = 4

_TREND = "trend"

_OTHER_LINES_MAX = 14
"""The maximum number of lines that are not rows of the ranking."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the ranking.

    Args:
        heading: The heading.
        cell: Returns the cell of an API, given the width of bars.
        width_min: The least terminal width at which it is shown.
        is_text: Whether it is aligned to the left.
        is_name: Whether it may be truncated.
    """

    heading: str
    cell: Callable[[Api, int], str | Text]
    width_min: int = 0
    is_text: bool = False
    is_name: bool = False


def _errors(api: Api, _: int) -> Text:
    failing = api.error_percent >= ERRORS_WARNING_PERCENT
    return Text(f"{api.error_percent:.1f}%", style="red" if failing else "")


_COLUMNS = (
    _Column("#", lambda api, _: str(api.rank)),
    _Column("API", lambda api, _: Text(api.endpoint), 0, is_text=True, is_name=True),
    _Column("owner", lambda api, _: Text(api.owner, style="dim"), 110, is_text=True, is_name=True),
    _Column("category", lambda api, _: Text(api.category), 130, is_text=True, is_name=True),
    _Column("price", lambda api, _: cents(api.price_micros), 120),
    _Column("calls", lambda api, _: f"{api.calls:,}"),
    _Column(_TREND, lambda api, width: Text(bars(api.trend, width), style="cyan"), is_text=True),
    _Column("callers", lambda api, _: f"{api.callers:,}"),
    _Column("mean ms", lambda api, _: f"{api.latency_ms:,.0f}", 150),
    _Column("p95 ms", lambda api, _: f"{api.p95_latency_ms:,.0f}"),
    _Column("errors", _errors),
    _Column("revenue", lambda api, _: cents(api.revenue_micros)),
    _Column("score", lambda api, _: Text(f"{api.score:.1f}", style="bold"), 90),
)


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """Draws a snapshot.

    Args:
        snapshot: The snapshot.
        now: Returns the time, from which ages are calculated.
        status: A line below it, such as an outage; may be empty.
        fits_height: Whether to leave out rows that do not fit the terminal's height.
    """

    snapshot: Snapshot
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    status: str = ""
    fits_height: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it in the terminal's width."""
        is_unbounded = options.max_width > 1_000
        width = WIDTH_WITHOUT_TERMINAL if is_unbounded else min(options.max_width, WIDTH_MAX)
        rows = len(self.snapshot.apis)
        if self.fits_height:
            rows = max(1, min(rows, console.height - _OTHER_LINES_MAX))
        yield self._title()
        yield from self._totals(width)
        yield Text()
        if rows:
            yield from self._ranking(width, rows)
        else:
            yield Text("No API was called.")
        yield Text()
        yield from self._freshness()
        if self.status:
            yield Text(self.status, style="yellow")

    def _title(self) -> Text:
        one = self.snapshot
        start = "ever" if one.start_at is None else f"since {one.start_at:%Y-%m-%d %H:%M} UTC"
        return Text.assemble((one.window, "bold"), f", {start}")

    def _totals(self, width: int) -> Iterator[RenderableType]:
        now, before = self.snapshot.totals, self.snapshot.before
        totals = (
            ("calls", f"{now.calls:,}", before and change(now.calls, before.calls)),
            ("callers", f"{now.callers:,}", None),
            ("APIs", f"{now.apis:,}", None),
            ("categories", f"{now.categories:,}", None),
            (
                "revenue",
                cents(now.revenue_micros),
                before and change(now.revenue_micros, before.revenue_micros),
            ),
        )
        line = Text()
        for name, value, moved in totals:
            part = Text.assemble((value, "bold"), f" {name}", (f" {moved}" if moved else "", "dim"))
            if line and len(line) + 3 + len(part) > width:
                yield line
                line = Text()
            line = Text("   ").join([line, part]) if line else part
        yield line
        unit = "hour" if self.snapshot.window == "today" else "day"
        heading = f"calls by {unit} "
        drawn = bars(self.snapshot.series, width - len(heading))
        yield Text.assemble(heading, (drawn, "cyan"), overflow="crop", no_wrap=True)

    def _ranking(self, width: int, rows: int) -> Iterator[RenderableType]:
        apis = self.snapshot.apis[:rows]
        columns = [column for column in _COLUMNS if column.width_min <= width]
        widths = _widths(columns, apis, width)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(
                column.heading,
                justify="left" if column.is_text else "right",
                no_wrap=True,
                overflow="ellipsis",
                width=widths[column.heading],
            )
        for api in apis:
            table.add_row(*(column.cell(api, widths[_TREND]) for column in columns))
        yield table
        if rows < self.snapshot.api_count:
            yield Text(f"… {self.snapshot.api_count - rows:,} more APIs", style="dim")

    def _freshness(self) -> Iterator[RenderableType]:
        freshness, accuracy = self.snapshot.freshness, self.snapshot.accuracy
        age = span_text(max(0.0, (self.now() - freshness.as_of).total_seconds()))
        line = f"Counted up to {clock_time(freshness.as_of)} UTC, {age} ago"
        yield Text(f"{line}.")
        if not freshness.is_complete:
            reasons = ", ".join(freshness.missing) or "the dispatcher gives no reason"
            yield Text(f"Incomplete: {reasons}.", style="red")
        yield Text(
            f"Calls, errors and money are exact; callers up to "
            f"{accuracy.callers_exact_up_to:,}, then within {accuracy.callers_error * 100:g} %; "
            f"p95 within {accuracy.p95_error * 100:g} %.",
            style="dim",
        )


def _widths(columns: Sequence[_Column], apis: Sequence[Api], width: int) -> Mapping[str, int]:
    """Return the width of each column: numbers in full, then bars, then names in what is left.

    Args:
        columns: The columns to show.
        apis: The rows.
        width: The total width.
    """
    names = [column.heading for column in columns if column.is_name]
    room = width - 2 * (len(columns) - 1)
    widths = {}
    for column in columns:
        if column.heading != _TREND:
            cells = (cell_len(str(column.cell(api, 1))) for api in apis)
            widths[column.heading] = max([len(column.heading), *cells])
    numbers = sum(wide for heading, wide in widths.items() if heading not in names)
    most = min(_BARS_WIDTH_MAX, max((len(api.trend) for api in apis), default=_BARS_WIDTH_MIN))
    widths[_TREND] = max(_BARS_WIDTH_MIN, min(most, room - numbers - _NAME_WIDTH * len(names)))
    room -= numbers + widths[_TREND]
    wanted = sum(widths[name] for name in names)
    if wanted > room:
        for name in names:
            widths[name] = max(_NAME_WIDTH_MIN, widths[name] * room // wanted)
    return widths
