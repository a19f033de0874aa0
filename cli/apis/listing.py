"""Implements `clawr apis`: lists every API that the dispatcher serves."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import Output
from cli.publish.directory import TENANT_KV, VARIABLE, Published
from cli.publish.plan import hosts_of
from cli.publish.prices import FREE, prices
from cli.publish.store import Store
from core.errors import RecordRefused
from tenants.records import parse_tenant

_VARIABLE_MARK: Final = "*"


def list_apis(store: Store, output: Output) -> None:
    """Print all records of the directory.

    Args:
        store: The directory.
        output: The output.
    """
    with output.working("Reading the directory …"):
        rows = [summary(slug, one) for slug, one in store.records().items()]
    problems = store.variable.problems
    document = {"apis": rows, "problems": [*problems]}
    output.result(document, lambda console: _show(console, rows, problems))


def summary(slug: str, published: Published) -> dict[str, Any]:
    """Return the summary of a record.

    Args:
        slug: The slug of its key.
        published: The record and its source.
    """
    record, problems, price = published.record, list[str](), ""
    try:
        tenant = parse_tenant(dict(record), slug)
    except RecordRefused as error:
        problems = [*error.reasons]
        is_priced, category, plan = False, "", str(record.get("plan", ""))
    else:
        is_priced, category, plan = bool(tenant.priced), tenant.directory, tenant.plan
        price = prices(tenant)["price"]
        if tenant.slug != slug:
            problems = [f"the record's slug is {tenant.slug!r}, which differs from its key"]
        if tenant.unknown_fields:
            problems.append(f"unknown fields: {', '.join(tenant.unknown_fields)}")
    return {
        "slug": slug,
        "tenantId": record.get("tenantId"),
        "priceUsd": record.get("priceUsd"),
        "isPriced": is_priced,
        "price": price,
        "plan": plan,
        "category": category or "APIs",
        "hosts": hosts_of(record),
        "script": record.get("workerName"),
        "source": published.source,
        "problems": problems,
    }


def _show(console: Console, rows: list[dict[str, Any]], problems: Sequence[str]) -> None:
    if not rows:
        console.print("No API is published. `clawr publish --help` has examples.", markup=False)
    else:
        console.print(_table(rows))
    for row in rows:
        for problem in row["problems"]:
            console.print(f"{row['slug']}: {problem}", markup=False)
    for problem in problems:
        console.print(problem, markup=False)
    if any(row["source"] == VARIABLE for row in rows):
        console.print(
            f"{_VARIABLE_MARK} {VARIABLE}: of the dispatcher's variable, not of {TENANT_KV}; "
            "`make dev` has it from TENANTS=FILE or the demo.",
            markup=False,
        )


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("slug", "price", "plan", "category", "script", "hosts"):
        table.add_column(name, justify="right" if name == "price" else "left")
    for row in rows:
        price = (
            row["price"].partition(",")[0].removesuffix(" a request") if row["isPriced"] else FREE
        )
        slug = row["slug"] + (f" {_VARIABLE_MARK}" if row["source"] == VARIABLE else "")
        cells = (slug, price, row["plan"], row["category"], row["script"])
        # Records contain text of others, which must not be read as markup.
        table.add_row(*(escape(str(cell or "")) for cell in (*cells, ", ".join(row["hosts"]))))
    return table
