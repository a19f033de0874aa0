"""Shows a snapshot in the terminal. Reads nothing, decides nothing."""

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dev.demo.analytics import ApiRow, HeroStats, Snapshot

ERROR_RATE_TO_NOTICE_PCT = 5


def render(snapshot: Snapshot) -> RenderableType:
    """Return `snapshot` as hero figures above a table of ranked APIs."""
    return Group(_hero(snapshot["heroStats"]), _ranking(snapshot))


def _hero(stats: HeroStats) -> Columns:
    figures = {
        "calls": f"{stats['calls']:,}",
        "callers": f"{stats['activeAgents']:,}",
        "APIs": f"{stats['publishedApis']:,}",
        "categories": f"{stats['directories']:,}",
        "revenue": f"${stats['revenueUsd']:,.2f}",
    }
    return Columns(
        [
            Panel(Text.assemble((figure, "bold"), f"\n{name}", justify="center"), width=14)
            for name, figure in figures.items()
        ]
    )


def _ranking(snapshot: Snapshot) -> Table:
    # Eighty columns are enough for it: an owner stands below its API, and a category wraps.
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
    failing = api["errorRatePct"] >= ERROR_RATE_TO_NOTICE_PCT
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
