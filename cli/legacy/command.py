"""Implements `clawr import-legacy`: recognizes a file, plans its import, imports it, reports."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cli.errors import ConflictError, Finding, InputError, MissingError
from cli.legacy.directory import DirectoryPlan, plan_directory, write_directory
from cli.legacy.entries import Entry, read_entries
from cli.legacy.events import Counted, Listed, NoteEntry, OldList, read_list
from cli.legacy.fields import Naming, read_naming
from cli.legacy.importing import (
    Imported,
    Totals,
    import_events,
    overall_totals,
    state_of,
    undo,
    unused_id,
)
from cli.legacy.ledger import Ledger, read_ledger
from cli.legacy.recognition import Kind, Recognized, recognize
from cli.legacy.report import open_report
from cli.legacy.show import show_directory, show_events, show_ledger, show_undone
from cli.legacy.spool import EventSpool
from cli.options import DirectoryOptions
from cli.output import Output
from cli.platform import Platform
from cli.targets import Target
from core.calendar import timestamp

_STEP_ENTRIES: Final = 10_000
"""Entries between two updates of the progress."""

_LISTED_MAX: Final = 20
"""Entries that are not imported of which the output has the reasons, without `--report`."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `clawr import-legacy`.

    Args:
        file: The file.
        naming: Options of the form `OLD=NEW`.
        execute: Whether to import.
        skip_bad: Whether to skip invalid entries.
        ignored: Names of fields that are left out.
        at: The path of the member that has the list; empty to find it.
        kind: What the file has; `None` to find it out.
        report: A file for everything that is not imported.
        directory: Where the directory is.
    """

    file: Path
    naming: Sequence[str]
    execute: bool
    skip_bad: bool
    ignored: Sequence[str] = ()
    at: str = ""
    kind: Kind | None = None
    report: Path | None = None
    directory: DirectoryOptions = field(default_factory=DirectoryOptions)


@dataclass(frozen=True, slots=True)
class Result:
    """What an import would do, or did.

    Args:
        old: The list.
        import_id: By which the import can be undone.
        before: The dispatcher's totals of each API.
        imported: What the dispatcher did; `None` for a dry run.
        after: The dispatcher's totals after it.
    """

    old: OldList
    import_id: str
    before: Totals
    imported: Imported | None
    after: Totals | None


def run(request: Request, target: Target, output: Output) -> None:
    """Show what an import would add; with `request.execute`, import the file.

    Args:
        request: The options.
        target: The dispatcher.
        output: The output.

    Raises:
        InputError: The file, an entry or an option is invalid.
        CommandError: The dispatcher rejected a request, failed, or could not be reached.
    """
    recognized = recognize(request.file, request.at, request.kind)
    with open_report(request.report, request.file) as note:
        match recognized.kind:
            case Kind.EVENTS:
                _import_events(request, recognized, target, output, note)
            case Kind.DIRECTORY:
                _import_directory(request, recognized, target, output, note)
            case Kind.LEDGER:
                _compare_ledger(request, recognized, target, output, note)


def run_undo(import_id: str, target: Target, output: Output, *, execute: bool) -> None:
    """Show what an undo would remove; with `execute`, undo the import.

    Args:
        import_id: The import, as the output of the import names it.
        target: The dispatcher.
        output: The output.
        execute: Whether to undo it.

    Raises:
        MissingError: There is no such import.
        ConflictError: It cannot be undone any more.
        CommandError: The dispatcher rejected a request, failed, or could not be reached.
    """
    with Platform(target.dispatcher) as platform:
        found = state_of(platform, import_id)
        match found["state"]:
            case "unknown":
                raise MissingError(
                    f"There is no import {import_id}.",
                    "`clawr import-legacy FILE` shows the id of the import of a file.",
                )
            case "folded":
                raise ConflictError(
                    f"The import {import_id} can no longer be undone: its events are folded into "
                    "the totals of their days.",
                    "Imports of past days are folded after an hour, others at the end of the day.",
                )
            case "undone":
                raise ConflictError(
                    f"The import {import_id} was undone before.", "There is nothing left to undo."
                )
        if execute:
            found = {**undo(platform, import_id), "events": found["events"]}
    names = ("importId", "state", "events", "undoUntil")
    document = {"executed": execute, **{name: found[name] for name in names}}
    output.result(document, lambda console: show_undone(console, document))


def _import_events(
    request: Request, recognized: Recognized, target: Target, output: Output, note: NoteEntry
) -> None:
    naming = read_naming(request.naming, request.ignored)
    with EventSpool(keeps_lines=request.execute) as spool:
        old = _checked(request.file, recognized, naming, spool, output, note)
        _refuse(request, old.unclear, old.invalid)
        with Platform(target.dispatcher) as platform:
            import_id = unused_id(platform, spool.digest())
            before = overall_totals(platform)
            imported = after = None
            if request.execute:
                imported = import_events(spool.lines(), old.events, import_id, platform, output)
                after = overall_totals(platform)
    result = Result(old, import_id, before, imported, after)
    document = _events_document(request, recognized, result)
    output.result(document, lambda console: show_events(console, document))


def _checked(
    file: Path,
    recognized: Recognized,
    naming: Naming,
    spool: EventSpool,
    output: Output,
    note: NoteEntry,
) -> OldList:
    def shown(entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if entry.index % _STEP_ENTRIES == 0:
                step(f"Checking {file}: {entry.index:,} entries")
            yield entry

    with output.steps() as step:
        entries = shown(read_entries(file, recognized.place))
        return read_list(entries, naming, int(time.time() * 1000), spool, note)


def _refuse(request: Request, unclear: Listed, invalid: Listed) -> None:
    """Raise `InputError` if entries stop the import."""
    file = request.file
    if unclear.count:
        raise InputError(
            f"The money of {_entries(unclear.count)} of {file} is not clear. Nothing was imported.",
            "Name the field and its unit with --map (revenueUsd, revenueCents or revenueMicros), "
            "leave a field out with --ignore, or correct the entries.",
            _findings(unclear, file),
        )
    if invalid.count and not request.skip_bad:
        raise InputError(
            f"{_entries(invalid.count)} of {file} {'is' if invalid.count == 1 else 'are'} invalid. "
            "Nothing was imported.",
            "Correct them, map their field names with --map, or skip them with --skip-bad.",
            _findings(invalid, file),
        )


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _findings(listed: Listed, file: Path) -> Sequence[Finding]:
    shown = listed.first[:_LISTED_MAX]
    findings = [
        Finding(f"entry {one.index}: {'; '.join(one.reasons)}", str(file), one.line or None)
        for one in shown
    ]
    more = listed.count - len(findings)
    all_of_them = f"{more:,} more; --report FILE lists all of them"
    return [*findings, Finding(all_of_them, str(file))] if more else findings


def _events_document(request: Request, recognized: Recognized, result: Result) -> dict[str, Any]:
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
    done = (
        {}
        if imported is None
        else {
            "imported": imported.new,
            "alreadyThere": imported.known,
            "undoUntil": imported.undo_until,
        }
    )
    total = sum(old.apis.values(), Counted())
    return {
        **_head(request, recognized),
        "importId": result.import_id,
        "events": old.events,
        "calls": total.calls,
        "errors": total.errors,
        "revenueMicros": total.revenue_micros,
        "from": None if old.first_ms is None else timestamp(old.first_ms),
        "to": None if old.last_ms is None else timestamp(old.last_ms),
        **done,
        "repeated": old.repeated,
        "unknownCallers": old.unknown_callers,
        "hashedCallers": old.hashed_callers,
        "unusedFields": dict(sorted(old.unused.items())),
        "skippedEntries": old.invalid.count,
        "skipped": _listed(old.invalid),
        "leftOutEntries": old.left_out.count,
        "leftOut": _listed(old.left_out),
        "apis": apis,
    }


def _head(request: Request, recognized: Recognized) -> dict[str, Any]:
    return {
        "file": str(request.file),
        "kind": recognized.kind.value,
        "form": recognized.form,
        "executed": request.execute,
    }


def _listed(listed: Listed) -> Sequence[dict[str, Any]]:
    return [
        {"index": one.index, "line": one.line or None, "reasons": list(one.reasons)}
        for one in listed.first
    ]


def _shown(counted: Counted | None) -> dict[str, int] | None:
    if counted is None:
        return None
    return {"calls": counted.calls, "revenueMicros": counted.revenue_micros}


def _import_directory(
    request: Request, recognized: Recognized, target: Target, output: Output, note: NoteEntry
) -> None:
    with request.directory.open(target) as store:
        with output.working("Comparing with the directory …"):
            plan = plan_directory(recognized.document, store, note)
        _refuse(request, Listed("", note), plan.invalid)
        if request.execute:
            with output.working("Writing the records …"):
                write_directory(plan, store)
    document = {**_head(request, recognized), **_directory_document(plan)}
    output.result(document, lambda console: show_directory(console, document))


def _directory_document(plan: DirectoryPlan) -> dict[str, Any]:
    return {
        "records": [
            {
                "slug": one.tenant.slug,
                "tenantId": one.tenant.tenant_id,
                "workerName": one.tenant.worker_name,
                "priceUsd": one.record.get("priceUsd"),
                "charges": bool(one.tenant.priced),
                "hosts": list(one.tenant.hosts),
                "unknownFields": list(one.tenant.unknown_fields),
                "hasScript": one.has_script,
            }
            for one in plan.new
        ],
        "unchanged": plan.unchanged,
        "skippedEntries": plan.invalid.count,
        "skipped": _listed(plan.invalid),
        "conflicts": _listed(plan.conflicts),
    }


def _compare_ledger(
    request: Request, recognized: Recognized, target: Target, output: Output, note: NoteEntry
) -> None:
    ledger = read_ledger(recognized.tables, request.naming, note)
    _refuse(request, Listed("", note), ledger.invalid)
    with Platform(target.dispatcher) as platform:
        totals = overall_totals(platform)
    document = {**_head(request, recognized), "executed": False}
    document |= _ledger_document(ledger, recognized, totals)
    output.result(document, lambda console: show_ledger(console, document))


def _ledger_document(ledger: Ledger, recognized: Recognized, totals: Totals) -> dict[str, Any]:
    return {
        "tables": [
            {
                "table": name,
                "rows": len(recognized.tables[name]),
                "amount": columns.amount,
                "unit": columns.unit.lower(),
                "unitFrom": columns.why,
                "columns": dict(columns.parts),
                "otherMoney": list(columns.other_money),
            }
            for name, columns in ledger.columns.items()
        ],
        "otherTables": dict(recognized.others),
        "rows": ledger.rows,
        "notImported": ledger.kept.count,
        "skippedEntries": ledger.invalid.count,
        "skipped": _listed(ledger.invalid),
        "sums": [
            {
                "tenantId": tenant,
                "status": status,
                "currency": currency,
                "rows": count,
                "amountMicros": micros,
            }
            for (tenant, status, currency), (count, micros) in sorted(ledger.sums.items())
        ],
        "tenants": [
            {
                "tenantId": tenant,
                "paidMicros": ledger.paid_micros(tenant),
                "revenueMicros": totals.of_tenant(tenant),
            }
            for tenant in ledger.tenants
        ],
    }
