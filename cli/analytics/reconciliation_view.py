"""Shows the reconciliation of a day: the ledger compared with the settlement events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from cli.analytics.formatting import money, plain_text
from cli.errors import SAME_VERSION, CommandError

_KINDS = {
    "onlyAtEdge": "settled at the edge, not in the ledger",
    "onlyInLedger": "in the ledger, not settled at the edge",
    "unequal": "on both sides, with different amounts or data",
}


@dataclass(frozen=True, slots=True)
class TenantSums:
    """The total amounts of a tenant's payments, in micro-dollars.

    Args:
        tenant_id: The tenant.
        at_edge: Total of the settlement events.
        in_ledger: Total of the ledger.
        corrected: Total of payments that were later found to be settled.
        difference: The difference of both sides.
    """

    tenant_id: str
    at_edge: int
    in_ledger: int
    corrected: int
    difference: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The reconciliation of one day.

    Args:
        date: The UTC day, `YYYY-MM-DD`.
        agrees: Whether there is no difference.
        tenants: The totals of each tenant.
        differing: Ids of payments that differ, by kind of difference.
        pending: Ids of payments whose outcome is not known yet.
        unreadable: Keys of settlement events that cannot be read, with the reason.
    """

    date: str
    agrees: bool
    tenants: Sequence[TenantSums]
    differing: Mapping[str, Sequence[str]]
    pending: Sequence[str]
    unreadable: Sequence[str]

    @property
    def problem(self) -> str:
        """What is wrong, as a sentence; empty if nothing is."""
        count = sum(len(ids) for ids in self.differing.values())
        if not self.agrees:
            return (
                f"The ledger and the settlement events of {self.date} differ in {count} payments."
            )
        if self.unreadable:
            return f"{len(self.unreadable)} settlement events of {self.date} cannot be read."
        return ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the reconciliation."""
        yield Text(f"Payments presented on {self.date} (UTC)", style="bold")
        if self.tenants:
            yield self._sums()
        else:
            yield Text("None.")
        for kind, ids in self.differing.items():
            yield from _listed(_KINDS.get(kind, kind), ids, "red")
        yield from _listed("settlement events that cannot be read", self.unreadable, "red")
        yield from _listed("pending: the outcome is not known yet", self.pending, "yellow")
        if not self.problem:
            yield Text("Both sides agree.", style="green")

    def _sums(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("tenant", overflow="ellipsis", no_wrap=True)
        for heading in ("settled at edge", "ledger", "corrected", "difference"):
            table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
        for one in self.tenants:
            table.add_row(
                Text(one.tenant_id),
                money(one.at_edge),
                money(one.in_ledger),
                money(one.corrected),
                Text(money(one.difference), style="red" if one.difference else ""),
            )
        return table


def read_reconciliation(document: Mapping[str, Any]) -> Reconciliation:
    """Parse a response of `/__platform/reconciliation`.

    Raises:
        CommandError: It does not have the fields of docs/reference/api.md.
    """
    try:
        day = document["day"]
        return Reconciliation(
            date=plain_text(day["date"]),
            agrees=bool(day["agrees"]),
            tenants=[
                TenantSums(
                    plain_text(one["tenantId"]),
                    int(one["settledAtEdgeMicros"]),
                    int(one["inLedgerMicros"]),
                    int(one["correctedMicros"]),
                    int(one["differenceMicros"]),
                )
                for one in day["tenants"]
            ],
            differing={
                kind: [plain_text(one) for one in ids] for kind, ids in day["differing"].items()
            },
            pending=[plain_text(one["paymentId"]) for one in day["pending"]],
            unreadable=[plain_text(one) for one in day["unreadable"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"The dispatcher's reconciliation cannot be read ({type(error).__name__}: {error}).",
            SAME_VERSION,
        ) from error


def _listed(what: str, ids: Sequence[str], style: str) -> Iterator[RenderableType]:
    if ids:
        yield Text(f"{len(ids)} {what}:", style=style)
        yield from (Text(f"  {one}", overflow="fold") for one in ids)
