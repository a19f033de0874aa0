"""Implements `clawr apis`: lists the records of the directory."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.output import Output
from cli.publish.plan import hosts_of
from cli.publish.store import Store
from core import keys
from core.errors import RecordRefused
from tenants.records import parse_tenant


def list_apis(store: Store, output: Output) -> None:
    """Print all records of the directory.

    Args:
        store: The directory.
        output: The output.
    """
    with output.working("Reading the directory …"):
        records = store.documents(keys.TENANT_PREFIX)
    rows = [
        summary(key.removeprefix(keys.TENANT_PREFIX), record)
        for key, record in sorted(records.items())
    ]
    output.result({"apis": rows}, lambda console: _show(console, rows))


def summary(slug: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a record.

    Args:
        slug: The slug of its key.
        record: The record.
    """
    problems: list[str] = []
    try:
        tenant = parse_tenant(dict(record), slug)
    except RecordRefused as error:
        problems = [*error.reasons]
        is_priced, category, plan = False, "", str(record.get("plan", ""))
    else:
        is_priced, category, plan = bool(tenant.priced), tenant.directory, tenant.plan
        if tenant.slug != slug:
            problems = [f"the record's slug is {tenant.slug!r}, which differs from its key"]
        if tenant.unknown_fields:
            problems.append(f"unknown fields: {', '.join(tenant.unknown_fields)}")
    return {
        "slug": slug,
        "tenantId": record.get("tenantId"),
        "priceUsd": record.get("priceUsd"),
        "isPriced": is_priced,
        "plan": plan,
        "category": category or "APIs",
        "hosts": hosts_of(record),
        "script": record.get("workerName"),
        "problems": problems,
    }


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("Nothing is published in TENANT_KV.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("slug", "price", "plan", "category", "script", "hosts"):
        table.add_column(name, justify="right" if name == "price" else "left")
    for row in rows:
        price = f"${row['priceUsd']}" if row["isPriced"] else "free"
        cells = (row["slug"], price, row["plan"], row["category"], row["script"])
        # Records contain text of others, which must not be read as markup.
        table.add_row(*(escape(str(cell or "")) for cell in (*cells, ", ".join(row["hosts"]))))
    console.print(table)
    for row in rows:
        for problem in row["problems"]:
            console.print(f"{row['slug']}: {problem}", markup=False)
