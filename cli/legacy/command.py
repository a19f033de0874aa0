"""Implements `clawr import-legacy`: reads the list, imports it, prints the result."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.account_api import open_account
from cli.errors import AccessError, Finding, InputError
from cli.legacy.batches import OldList, Refused, caller_hashes, read_list
from cli.legacy.counting import ApiName, Counted, sums
from cli.legacy.entries import read_entries
from cli.legacy.fields import read_naming
from cli.legacy.importing import Plan, Work, carry_out, is_counted, make_plan
from cli.legacy.usage_store import find_usage_store
from cli.output import NOTHING_CHANGED, Output
from cli.platform import Platform
from cli.secret import Secret
from cli.targets import Target
from core.calendar import timestamp
from dev.launch.config import DEVELOPMENT_VARIABLES
from gateway.request_context import SECRET_SETTING


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `clawr import-legacy`.

    Args:
        file: The event list.
        naming: Options of the form `OLD=NEW`.
        execute: Whether to write.
        skip_bad: Whether to skip invalid entries.
        usage_kv_id: The id of the KV namespace, if given.
        wait_seconds: How long to wait until everything is counted.
    """

    file: Path
    naming: Sequence[str]
    execute: bool
    skip_bad: bool
    usage_kv_id: str | None
    wait_seconds: float


def run(request: Request, target: Target, output: Output) -> None:
    """Show what an import would write; with `request.execute`, import the list.

    Args:
        request: The options.
        target: The account and the dispatcher.
        output: The output.

    Raises:
        InputError: The file, an entry or an option is invalid.
        AccessError: `CALLER_HASH_SECRET` is not set, and events have callers.
        CommandError: The account or the dispatcher rejected a request, failed, or could not be
            reached.
    """
    naming = read_naming(request.naming)
    now_ms = int(time.time() * 1000)
    old = read_list(read_entries(request.file), naming, now_ms)
    findings = [_finding(one, request.file) for one in old.refused]
    if findings and not request.skip_bad:
        raise InputError(
            f"{len(findings)} entries of {request.file} are invalid. Nothing was written.",
            "Correct them, map their field names with --map, or skip them with --skip-bad.",
            findings,
        )
    secret = _secret(target, old)
    account = target.account
    with open_account(account) as client, Platform(target.dispatcher) as platform:
        with output.working("Reading the usage log …"):
            store = find_usage_store(
                client, account.account_id, request.usage_kv_id, is_local=target.is_local
            )
            plan = make_plan(old, store, platform, now_ms)
        after = None
        if request.execute:
            callers = caller_hashes(secret.reveal())
            work = Work(store, platform, callers, is_local=target.is_local, output=output)
            after = carry_out(plan, work, request.wait_seconds)
    document = _document(request, plan, after)
    output.result(document, lambda console: _show(console, request, plan, after, findings))


def _secret(target: Target, old: OldList) -> Secret:
    """Return the secret that callers are hashed with; it is required only if there are callers."""
    given = target.settings.get(SECRET_SETTING)
    if not given and target.is_local:
        given = DEVELOPMENT_VARIABLES[SECRET_SETTING]
    if not given and any(one.old.caller for one in old.events.values()):
        raise AccessError(
            f"{SECRET_SETTING} is not set, but it is needed to hash callers.",
            "Set it to the dispatcher's value, in the environment or in the --env file; "
            "with another value, each caller would count as two.",
        )
    return Secret(given or "")


def _finding(refused: Refused, file: Path) -> Finding:
    return Finding(
        f"entry {refused.entry.index}: {'; '.join(refused.reasons)}", str(file), refused.entry.line
    )


def _document(
    request: Request, plan: Plan, after: Mapping[ApiName, Counted] | None
) -> dict[str, Any]:
    times = [one.old.event.at_ms for one in plan.old.events.values()]
    added = plan.added
    names = sorted(sums([one.old.event for one in plan.old.events.values()]))
    apis = []
    for name in names:
        adds = added.get(name, Counted())
        shown = {"tenantId": name.tenant_id, "slug": name.slug, "adds": _shown(adds)}
        shown["before"] = _shown(plan.before.get(name, Counted()))
        if after is not None:
            shown["after"] = _shown(after.get(name, Counted()))
        apis.append(shown)
    return {
        "file": str(request.file),
        "executed": request.execute,
        "events": len(plan.old.events),
        "from": timestamp(min(times)) if times else None,
        "to": timestamp(max(times)) if times else None,
        "imported" if request.execute else "toImport": len(plan.missing),
        "alreadyThere": len(plan.existing),
        "repeated": plan.old.repeated,
        "skipped": [
            {"index": one.entry.index, "line": one.entry.line, "reasons": list(one.reasons)}
            for one in plan.old.refused
        ],
        "olderThanTheLog": plan.older,
        "apis": apis,
        **({} if after is None else {"counted": is_counted(plan, after)}),
    }


def _shown(counted: Counted) -> dict[str, int]:
    return {"calls": counted.calls, "revenueMicros": counted.revenue_micros}


def _show(
    console: Console,
    request: Request,
    plan: Plan,
    after: Mapping[ApiName, Counted] | None,
    findings: Sequence[Finding],
) -> None:
    document = _document(request, plan, after)
    for finding in findings:
        console.print(f"skipped {finding}", markup=False)
    if document["from"]:
        console.print(
            f"{document['events']:,} events from {document['from']} to {document['to']}",
            markup=False,
        )
    verb = "imported" if request.execute else "to import"
    console.print(
        f"{len(plan.missing):,} {verb}, {len(plan.existing):,} already there, "
        f"{plan.old.repeated:,} repeated in the file, {len(findings):,} skipped"
    )
    if plan.older and not document.get("counted"):
        console.print(
            f"{plan.older:,} of them are too old to count now; cron counts them within an hour."
        )
    console.print(_table(document["apis"], with_after=after is not None))
    if after is None:
        console.print(NOTHING_CHANGED)
    elif document["counted"]:
        console.print("All events are counted.")
    else:
        console.print(
            "Some events are not counted yet. Cron continues; run the same command again to see "
            "the progress."
        )


def _table(apis: Sequence[Mapping[str, Any]], *, with_after: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("API")
    columns = ["before", "adds", *(["after"] if with_after else [])]
    for name in columns:
        table.add_column(f"calls {name}", justify="right")
    for name in columns:
        table.add_column(f"revenue {name}", justify="right")
    for one in apis:
        calls = [f"{one[name]['calls']:,}" for name in columns]
        revenue = [f"${one[name]['revenueMicros'] / 1_000_000:,.6f}" for name in columns]
        table.add_row(f"{one['tenantId']} /t/{one['slug']}", *calls, *revenue)
    return table
