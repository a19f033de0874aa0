"""Draws charts as SVG: reproducible bytes, with a text description for screen readers.

Charts are black on white, so that they are readable on a dark page. Series differ in markers and
in colours, which are those of Okabe and Ito for colour-blind readers.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from core.ports import Json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREY = "#0072b2", "#666666"
SERIES = (
    (BLUE, "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#56b4e9", "v"),
    ("#e69f00", "P"),
)
"""Colour and marker of each series; their number is the maximum."""

WIDTH_INCHES = 8.0
ROW_INCHES = 0.42
ALLOWANCE_INCHES = 1.3
STYLE: Mapping[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "savefig.bbox": "tight",
    # Makes ids reproducible, and keeps text as text.
    "svg.fonttype": "none",
    "svg.hashsalt": "clawr-dispatcher",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its title, description, number of rows and drawing function."""

    title: str
    description: str
    rows: int
    draw: Callable[[Axes], None]

    def svg(self) -> str:
        """Return the chart as SVG."""
        # Takes a second, also in processes that draw nothing.
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415

        with mpl.rc_context():
            # Independent of the user's matplotlib settings.
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            height = ALLOWANCE_INCHES + ROW_INCHES * self.rows
            figure = Figure(figsize=(WIDTH_INCHES, height))
            axes = figure.add_subplot()
            axes.set_title(self.title)
            self.draw(axes)
            file = io.StringIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(file, format="svg", metadata=nothing)
        return _described(file.getvalue(), self.title, self.description)


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one metric of a contender, by round."""

    label: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    def describe(self, unit: str) -> str:
        """Describe the values in words."""
        ends = f"{min(self.values):.3g} to {max(self.values):.3g}"
        return f"{self.label}: {self.median:.3g} {unit} ({ends})"


def spreads_chart(
    title: str, unit: str, series: Mapping[str, Sequence[Spread]], *, mark: float | None = None
) -> Chart:
    """Draw medians as points on a logarithmic scale, with a line from lowest to highest.

    Args:
        title: The title.
        unit: The unit of the axis.
        series: Spreads by series; all have the same labels in the same order.
        mark: Position of a dashed line, or `None`.
    """
    labels = [spread.label for spread in next(iter(series.values()))]

    def draw(axes: Axes) -> None:
        places = range(len(labels), 0, -1)
        assert len(series) <= len(SERIES), "too many series for one chart"
        for (name, spreads), (colour, marker) in zip(series.items(), SERIES, strict=False):
            for place, spread in zip(places, spreads, strict=True):
                ends = [min(spread.values), max(spread.values)]
                axes.plot(ends, [place, place], color=colour, linewidth=1.5)
            medians = [spread.median for spread in spreads]
            axes.plot(medians, places, marker, color=colour, label=name, markersize=7)
            if len(series) == 1:
                for place, spread in zip(places, spreads, strict=True):
                    axes.annotate(
                        f"{spread.median:.3g}",
                        (spread.median, float(place)),
                        xytext=(0, 7),
                        textcoords="offset points",
                        ha="center",
                        fontsize=9,
                        # Readable in front of the dashed line.
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                    )
        axes.set_yticks(list(places), labels)
        axes.set_ylim(0.4, len(labels) + 0.7)
        _logarithmic(axes, (1.0, 3.0))
        axes.set_xlabel(unit)
        axes.grid(axis="x", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        if mark is not None:
            axes.axvline(mark, color=GREY, linestyle="--", linewidth=1)
        if len(series) > 1:
            _legend(axes)

    texts = [
        f"{name}: " + "; ".join(spread.describe(unit) for spread in spreads)
        for name, spreads in series.items()
    ]
    return Chart(title, ". ".join(texts) + ".", len(labels), draw)


def lines_chart(
    title: str,
    axis: tuple[str, str],
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    target: tuple[str, float] | None = None,
    names: Sequence[str] = (),
) -> Chart:
    """Draw series as lines between their points.

    Args:
        title: The title.
        axis: Labels of the x and y axes.
        series: Points by series.
        target: Name and y value of a dashed line, or `None`.
        names: Labels of the x axis; if empty, the axis is logarithmic.
    """
    bottom, side = axis

    def draw(axes: Axes) -> None:
        assert len(series) <= len(SERIES), "too many series for one chart"
        for (name, points), (colour, marker) in zip(series.items(), SERIES, strict=False):
            across, up = zip(*points, strict=True)
            axes.plot(across, up, color=colour, marker=marker, label=name)
        if target is not None:
            name, height = target
            axes.axhline(height, color=GREY, linestyle="--", linewidth=1, label=name)
        if names:
            axes.set_xticks(range(len(names)), names)
        else:
            _logarithmic(axes, (1.0,))
        axes.set_ylim(bottom=0)
        axes.set_xlabel(bottom)
        axes.set_ylabel(side)
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
        _legend(axes)

    texts = [
        f"{name}: " + "; ".join(f"{_named(x, names)}: {y:.3g}" for x, y in points)
        for name, points in series.items()
    ]
    return Chart(title, f"{side} by {bottom}. " + ". ".join(texts) + ".", 5, draw)


def bars_chart(title: str, unit: str, bars: Mapping[str, float], *, target: float) -> Chart:
    """Draw a bar for each label, with its value, and a dashed line at the target."""

    def draw(axes: Axes) -> None:
        places = list(range(len(bars), 0, -1))
        drawn = axes.barh(places, list(bars.values()), color=BLUE, height=0.6)
        axes.bar_label(drawn, [f"{value:,.4g}" for value in bars.values()], padding=4)
        axes.set_yticks(places, list(bars))
        axes.set_xlabel(unit)
        axes.axvline(target, color=GREY, linestyle="--", linewidth=1)

    texts = "; ".join(f"{label}: {value:,.4g}" for label, value in bars.items())
    return Chart(title, f"{unit}. {texts}. The target is {target:g}.", len(bars), draw)


def spreads(figures: Sequence[Json], name: str) -> list[Spread]:
    """Return the spreads of a field of `RequestFigures` as JSON, if it has values."""
    return [Spread(f"({one['letter']}) {one['what']}", one[name]) for one in figures if one[name]]


def _named(place: float, names: Sequence[str]) -> str:
    return names[int(place)] if names else f"{place:,.0f}"


def _logarithmic(axes: Axes, steps: tuple[float, ...]) -> None:
    """Make the x axis logarithmic, with labels at these multiples of each power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _described(svg: str, title: str, description: str) -> str:
    """Add title and description for screen readers."""
    head, found, rest = svg.partition("<svg ")
    attributes, _, inside = rest.partition(">")
    assert found, "no SVG"
    assert inside, "no end of the first tag"
    words = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return f'{head}<svg role="img" {attributes}>\n {words}{inside}'
