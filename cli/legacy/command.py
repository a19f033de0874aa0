"""Implements `clawr import-legacy`: reads the list, imports it, prints the result."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from cli.errors import Finding, InputError
from cli.legacy.entries import Entry, read_entries
from cli.legacy.events import Counted, OldList, Refused, read_list
from cli.legacy.fields import Naming, read_naming
from cli.legacy.importing import Imported, Totals, import_events, overall_totals
from cli.legacy.spool import EventSpool
from cli.output import NOTHING_CHANGED, Output
from cli.platform import Platform
from cli.targets import Target
from core.calendar import timestamp

_STEP_ENTRIES: Final = 10_000
"""Entries between two updates of the progress."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `clawr import-legacy`.

    Args:
        file: The event list.
        naming: Options of the form `OLD=NEW`.
        execute: Whether to import.
        skip_bad: Whether to skip invalid entries.
    """

    file: Path
    naming: Sequence[str]
    execute: bool
    skip_bad: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What an import would do, or did.

    Args:
        old: The list.
        before: The dispatcher's totals of each API.
        imported: What the dispatcher did; `None` for a dry run.
        after: The dispatcher's totals after it.
    """

    old: OldList
    before: Totals
    imported: Imported | None
    after: Totals | None


def run(request: Request, target: Target, output: Output) -> None:
    """Show what an import would add; with `request.execute`, import the list.

    Args:
        request: The options.
        target: The dispatcher.
        output: The output.

    Raises:
        InputError: The file, an entry or an option is invalid.
        CommandError: The dispatcher rejected a request, failed, or could not be reached.
    """
    naming = read_naming(request.naming)
    with EventSpool(keeps_lines=request.execute) as spool:
        old = _checked(request.file, naming, spool, output)
        if old.refused and not request.skip_bad:
            raise InputError(
                f"{old.refused_count:,} entries of {request.file} are invalid. Nothing was "
                "imported.",
                "Correct them, map their field names with --map, or skip them with --skip-bad.",
                _findings(old, request.file),
            )
        imported = after = None
        with Platform(target.dispatcher) as platform:
            before = overall_totals(platform)
            if request.execute:
                imported = import_events(spool.lines(), old.events, platform, output)
                after = overall_totals(platform)
    document = _document(request, Result(old, before, imported, after))
    findings = _findings(old, request.file)
    output.result(document, lambda console: _show(console, document, findings))


def _checked(file: Path, naming: Naming, spool: EventSpool, output: Output) -> OldList:
    def shown(entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if entry.index % _STEP_ENTRIES == 0:
                step(f"Checking {file}: {entry.index:,} entries")
            yield entry

    with output.steps() as step:
        return read_list(shown(read_entries(file)), naming, int(time.time() * 1000), spool)


def _findings(old: OldList, file: Path) -> Sequence[Finding]:
    findings = [_finding(one, file) for one in old.refused]
    more = old.refused_count - len(findings)
    return [*findings, Finding(f"{more:,} more entries", str(file))] if more else findings


def _finding(refused: Refused, file: Path) -> Finding:
    return Finding(f"entry {refused.index}: {'; '.join(refused.reasons)}", str(file), refused.line)


def _document(request: Request, result: Result) -> dict[str, Any]:
    old, imported = result.old, result.imported
    apis = []
    for name, contained in sorted(old.apis.items()):
        shown: dict[str, Any] = {
            "tenantId": name.tenant_id,
            "slug": name.slug,
            "inFile": _shown(contained),
            "before": _shown(result.before.of(name)),
        }
        if result.after is not None:
            shown["after"] = _shown(result.after.of(name))
        apis.append(shown)
    done = {} if imported is None else {"imported": imported.new, "alreadyThere": imported.known}
    return {
        "file": str(request.file),
        "executed": request.execute,
        "events": old.events,
        "from": None if old.first_ms is None else timestamp(old.first_ms),
        "to": None if old.last_ms is None else timestamp(old.last_ms),
        **done,
        "repeated": old.repeated,
        "skippedEntries": old.refused_count,
        "skipped": [
            {"index": one.index, "line": one.line, "reasons": list(one.reasons)}
            for one in old.refused
        ],
        "apis": apis,
    }


def _shown(counted: Counted | None) -> dict[str, int] | None:
    if counted is None:
        return None
    return {"calls": counted.calls, "revenueMicros": counted.revenue_micros}


def _show(console: Console, document: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    for finding in findings:
        console.print(f"skipped {finding}", markup=False)
    if document["from"]:
        console.print(
            f"{document['events']:,} events from {document['from']} to {document['to']}",
            markup=False,
        )
    counts = f"{document['repeated']:,} repeated in the file, "
    counts += f"{document['skippedEntries']:,} skipped"
    if document["executed"]:
        new, known = document["imported"], document["alreadyThere"]
        counts = f"{new:,} imported, {known:,} already there, {counts}"
    console.print(counts)
    console.print(_table(document["apis"], is_executed=document["executed"]))
    if not document["executed"]:
        console.print("Events that are already there will not be counted again.")
        console.print(NOTHING_CHANGED)


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
        revenue = [f"${part['revenueMicros'] / 1_000_000:,.6f}" if part else "?" for part in shown]
        table.add_row(f"{one['tenantId']} /t/{one['slug']}", *calls, *revenue)
    return table
