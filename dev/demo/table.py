"""Shows a snapshot in the terminal. Reads nothing, decides nothing."""

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
        "APIs called": f"{stats['publishedApis']:,}",
        "directories": f"{stats['directories']:,}",
        "revenue": f"${stats['revenueUsd']:,.2f}",
    }
    return Columns(
        [
            Panel(Text.assemble((figure, "bold"), f"\n{name}", justify="center"), width=14)
            for name, figure in figures.items()
        ]
    )


def _ranking(snapshot: Snapshot) -> Table:
    table = Table(title=f"Ranked APIs, {snapshot['window']}", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("endpoint", no_wrap=True)
    table.add_column("owner", no_wrap=True)
    table.add_column("category")
    table.add_column("price", justify="right")
    table.add_column("calls", justify="right")
    table.add_column("callers", justify="right")
    table.add_column("mean ms", justify="right")
    table.add_column("p95 ms", justify="right")
    table.add_column("errors", justify="right")
    table.add_column("score", justify="right", style="bold")
    for api in snapshot["topApis"]:
        table.add_row(*_cells(api))
    return table


def _cells(api: ApiRow) -> list[str | Text]:
    failing = api["errorRatePct"] >= ERROR_RATE_TO_NOTICE_PCT
    return [
        str(api["rank"]),
        Text(api["endpoint"]),
        Text(api["owner"]),
        Text(api["directory"]),
        f"${api['priceUsd']:g}",
        f"{api['calls']:,}",
        f"{api['uniqueCallers']:,}",
        f"{api['latencyMs']:,.0f}",
        f"{api['p95LatencyMs']:,.0f}",
        Text(f"{api['errorRatePct']:.1f} %", style="red" if failing else ""),
        f"{api['trendingScore']:.2f}",
    ]
