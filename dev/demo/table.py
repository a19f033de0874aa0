"""Renders a snapshot for the terminal."""

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dev.demo.analytics import ApiRow, HeroStats, Snapshot

HIGH_ERROR_RATE_PCT = 5


def render(snapshot: Snapshot) -> RenderableType:
    """Return the totals of a snapshot above a table of its ranked APIs."""
    return Group(_hero(snapshot["heroStats"]), _ranking(snapshot))


def _hero(stats: HeroStats) -> Columns:
    totals = {
        "calls": f"{stats['calls']:,}",
        "callers": f"{stats['activeAgents']:,}",
        "APIs": f"{stats['publishedApis']:,}",
        "categories": f"{stats['directories']:,}",
        "revenue": f"${stats['revenueUsd']:,.2f}",
    }
    return Columns(
        [
            Panel(Text.assemble((total, "bold"), f"\n{name}", justify="center"), width=14)
            for name, total in totals.items()
        ]
    )


def _ranking(snapshot: Snapshot) -> Table:
    # Fits in 80 columns: the owner is on a second line, and the category wraps.
    table = Table(
        title=f"Ranked APIs, {snapshot['window']} (latencies in milliseconds)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("endpoint, owner", no_wrap=True)
    table.add_column("category", min_width=9, max_width=12)
    for heading in ("price", "calls", "callers", "mean", "p95", "errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True, style="bold")
    for api in snapshot["topApis"]:
        table.add_row(*_cells(api))
    return table


def _cells(api: ApiRow) -> list[str | Text]:
    failing = api["errorRatePct"] >= HIGH_ERROR_RATE_PCT
    return [
        str(api["rank"]),
        Text.assemble(api["endpoint"], "\n", (api["owner"], "dim")),
        Text(api["directory"]),
        f"${api['priceUsd']:g}",
        f"{api['calls']:,}",
        f"{api['uniqueCallers']:,}",
        f"{api['latencyMs']:,.0f}",
        f"{api['p95LatencyMs']:,.0f}",
        Text(f"{api['errorRatePct']:.1f}%", style="red" if failing else ""),
        f"{api['trendingScore']:.2f}",
    ]
