"""Prints what `clawr import-legacy` would do, or did."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from cli.legacy.ledger import NOT_IMPORTED
from cli.output import NOTHING_CHANGED

_LISTED_MAX: Final = 20

Document = Mapping[str, Any]


def show_events(console: Console, document: Document) -> None:
    """Print the import of an event list.

    Args:
        console: The console.
        document: The same as JSON.
    """
    _show_head(console, "the events of an older dispatcher", document)
    if document["from"]:
        console.print(
            f"{_count(document['events'], 'event')} from {document['from']} to {document['to']}: "
            f"{_count(document['calls'], 'call')}, {_count(document['errors'], 'error')}, "
            f"revenue {_dollars(document['revenueMicros'])}",
            markup=False,
        )
    counts = f"{document['repeated']:,} repeated in the file, "
    counts += f"{document['skippedEntries']:,} skipped, {document['leftOutEntries']:,} left out"
    if document["executed"]:
        new, known = document["imported"], document["alreadyThere"]
        counts = f"{new:,} imported, {known:,} already there, {counts}"
    console.print(counts)
    _show_listed(console, "skipped", document["skipped"], document["skippedEntries"])
    _show_listed(console, "left out", document["leftOut"], document["leftOutEntries"])
    if document["unusedFields"]:
        names = ", ".join(f"{name} ({count:,})" for name, count in document["unusedFields"].items())
        console.print(f"Fields without a place in the log: {names}", markup=False)
    if document["unknownCallers"]:
        count = _count(document["unknownCallers"], "event")
        console.print(f"{count} of unknown callers count as calls, but not as callers.")
    if document["hashedCallers"]:
        console.print(
            f"The callers of {_count(document['hashedCallers'], 'event')} are hashes of the older "
            "dispatcher. Their identities are not known, so callers who come back count as new "
            "ones."
        )
    console.print(_table(document["apis"], is_executed=document["executed"]))
    if not document["executed"]:
        console.print("Events that are already there will not be counted again.")
        console.print(NOTHING_CHANGED)
    elif document["imported"]:
        until = document["undoUntil"]
        console.print(
            f"Import {document['importId']}. Undo it "
            + (f"until {until} with:" if until else "until its days are folded with:")
        )
        console.print(f"  clawr import-legacy --undo {document['importId']} --execute")


def show_directory(console: Console, document: Document) -> None:
    """Print the import of a tenant directory.

    Args:
        console: The console.
        document: The same as JSON.
    """
    _show_head(console, "a tenant directory", document)
    records = document["records"]
    done = "written" if document["executed"] else "new"
    console.print(
        f"{_count(len(records), 'record')} {done}, {len(document['unchanged']):,} already there, "
        f"{document['skippedEntries']:,} skipped, {_count(len(document['conflicts']), 'conflict')}"
    )
    for one in records:
        price = f"${one['priceUsd']}" if one["charges"] else "free"
        console.print(
            f"  /t/{one['slug']} of {one['tenantId']}: script {one['workerName']}, {price}",
            markup=False,
        )
        if one["unknownFields"]:
            console.print(f"    unknown fields: {', '.join(one['unknownFields'])}", markup=False)
    _show_listed(console, "skipped", document["skipped"], document["skippedEntries"])
    _show_listed(console, "left as it is", document["conflicts"], len(document["conflicts"]))
    missing = sorted({one["workerName"] for one in records if not one["hasScript"]})
    if missing:
        console.print(
            f"Scripts are not imported. The dispatch namespace lacks: {', '.join(missing)}. "
            "Until `clawr publish` uploads them, calls get worker_not_found.",
            markup=False,
        )
    if not document["executed"]:
        console.print(NOTHING_CHANGED)


def show_ledger(console: Console, document: Document) -> None:
    """Print the comparison with a ledger.

    Args:
        console: The console.
        document: The same as JSON.
    """
    _show_head(console, "a payout ledger", document)
    for table in document["tables"]:
        parts = ", ".join(f"{part} = {column}" for part, column in table["columns"].items())
        console.print(
            f"  {table['table'] or 'rows'}: {_count(table['rows'], 'row')}; amount = "
            f"{table['amount']} in {table['unit']} (from {table['unitFrom']}); {parts}",
            markup=False,
        )
        if table["otherMoney"]:
            names = ", ".join(table["otherMoney"])
            console.print(f"  not added up, although it may be money: {names}", markup=False)
    for name, count in document["otherTables"].items():
        console.print(f"  {name}: {_count(count, 'row')}, not a ledger, left out", markup=False)
    _show_listed(console, "skipped", document["skipped"], document["skippedEntries"])
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("tenant", "status", "currency"):
        table.add_column(title)
    for title in ("rows", "amount"):
        table.add_column(title, justify="right")
    for one in document["sums"]:
        amount = f"{one['amountMicros'] / 1_000_000:,.6f}"
        table.add_row(one["tenantId"], one["status"], one["currency"], f"{one['rows']:,}", amount)
    console.print(table)
    for one in document["tenants"]:
        revenue = one["revenueMicros"]
        counted = "?" if revenue is None else _dollars(revenue)
        console.print(
            f"{one['tenantId']}: {_dollars(one['paidMicros'])} paid by this ledger, "
            f"{counted} revenue in the dispatcher",
            markup=False,
        )
    console.print(
        f"Not imported: {_count(document['notImported'], 'row')}, because {NOT_IMPORTED}. Keep the "
        "file; revenue is imported with the events."
    )


def show_undone(console: Console, document: Document) -> None:
    """Print what an undo does or did.

    Args:
        console: The console.
        document: The same as JSON.
    """
    count = _count(document["events"], "event")
    if document["executed"]:
        console.print(f"{count} of import {document['importId']} are no longer counted.")
        return
    until = f" until {document['undoUntil']}" if document["undoUntil"] else ""
    console.print(f"Import {document['importId']} has {count} and can be undone{until}.")
    console.print(NOTHING_CHANGED)


def _show_head(console: Console, what: str, document: Document) -> None:
    console.print(f"Recognized {document['file']} as {what} ({document['form']}).", markup=False)


def _show_listed(
    console: Console, what: str, listed: Sequence[Mapping[str, Any]], count: int
) -> None:
    for one in listed[:_LISTED_MAX]:
        line = f", line {one['line']}" if one["line"] else ""
        console.print(
            f"{what}: entry {one['index']}{line}: {'; '.join(one['reasons'])}", markup=False
        )
    if count > _LISTED_MAX:
        console.print(f"{what}: {count - _LISTED_MAX:,} more; --report FILE lists all of them")


def _table(apis: Sequence[Mapping[str, Any]], *, is_executed: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("API")
    columns = {
        "inFile": "in file",
        "before": "before",
        **({"after": "after"} if is_executed else {}),
    }
    for title in columns.values():
        table.add_column(f"calls {title}", justify="right")
    for title in columns.values():
        table.add_column(f"revenue {title}", justify="right")
    for one in apis:
        shown = [one[name] for name in columns]
        calls = [f"{part['calls']:,}" if part else "?" for part in shown]
        revenue = [_dollars(part["revenueMicros"]) if part else "?" for part in shown]
        table.add_row(f"{one['tenantId']} /t/{one['slug']}", *calls, *revenue)
    return table


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _dollars(micros: int) -> str:
    return f"${micros / 1_000_000:,.6f}"
