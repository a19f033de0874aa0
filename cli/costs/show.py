"""Shows an estimate as a table or as JSON."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.analytics.formatting import MICROS, two_decimals
from cli.costs.estimate import STORED_DAYS, Estimate, sources
from cli.costs.prices import READ_ON


def document(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON."""
    return {
        "traffic": {_camel_case(name): value for name, value in asdict(estimate.traffic).items()},
        "requests": round(estimate.requests),
        "items": [
            {
                "product": one.price.product,
                "item": one.price.item,
                "quantity": round(one.quantity, 3),
                "included": one.price.included,
                "dollars": round(one.dollars, 4),
                "price": {"dollars": one.price.dollars, "per": one.price.per},
                "source": one.price.source,
                "readOn": one.price.read_on,
            }
            for one in estimate.items
        ],
        "dollars": round(estimate.dollars, 4),
        "dollarsPerMillion": round(estimate.dollars_per_million, 4),
        "marginalDollarsPerMillion": round(estimate.marginal_per_million, 4),
        "notes": list(estimate.notes),
    }


def show(estimate: Estimate, console: Console) -> None:
    """Print an estimate."""
    console.print(
        f"A month of 30 days with {estimate.requests:,.0f} requests to APIs:", markup=False
    )
    table = Table(box=None, pad_edge=False)
    for name in ("product", "item"):
        table.add_column(name)
    for name in ("a month", "included", "price", "dollars"):
        table.add_column(name, justify="right")
    for one in estimate.items:
        price = one.price
        unit = "" if price.per == 1 else " / million"
        table.add_row(
            price.product,
            price.item,
            f"{one.quantity:,.{0 if one.quantity >= 10 else 1 if one.quantity >= 1 else 3}f}",
            f"{price.included:,.0f}",
            f"${price.dollars:g}{unit}",
            f"{_cents(one.dollars)}",
        )
    table.add_row("total", "", "", "", "", f"{_cents(estimate.dollars)}", style="bold")
    console.print(table)
    console.print(
        f"${_cents(estimate.dollars_per_million)} per million requests; "
        f"${_cents(estimate.marginal_per_million)} for each further million "
        "once all that is included is used.",
        markup=False,
    )
    for note in estimate.notes:
        console.print(note, markup=False)
    console.print(
        "Not in it: taxes, facilitators, and stores of the APIs' own. "
        f"Stored GB are those after {STORED_DAYS} days of this traffic.",
        markup=False,
    )
    console.print(f"Prices, read on {READ_ON}:", markup=False)
    for source in sources(estimate.items):
        console.print(f"  {source}", markup=False)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.capitalize() for one in others)


def _cents(dollars: float) -> str:
    return two_decimals(round(dollars * MICROS))
