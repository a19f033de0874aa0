"""Formats a plan, as JSON and as text. Neither contains values of secrets."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from cli.output import NOTHING_CHANGED, counted
from cli.publish.plan import LOOKUP_SECONDS, UNCHANGED, Plan
from cli.publish.smoke_test import FirstCall
from dev.launch.examples import curl

GENERATED: Final = ("dataset", "wrap")
"""The kinds of scripts that this command writes."""

SHOWN_LENGTH_MAX: Final = 200
"""Characters of a field's value in a terminal; --json has all."""


def plan_document(
    plan: Plan,
    *,
    executed: bool,
    call: FirstCall | None,
    is_local: bool,
    dispatcher_url: str | None = None,
) -> dict[str, Any]:
    """Return a plan as JSON.

    Args:
        plan: The plan.
        executed: Whether it was carried out.
        call: The test call, if there was one.
        is_local: Whether the target is `make dev`.
        dispatcher_url: The dispatcher's URL; `None` if it is not known.
    """
    bundle = plan.bundle
    return {
        "slug": plan.tenant.slug,
        "url": f"{dispatcher_url}{plan.tenant.prefix}" if dispatcher_url else None,
        "urls": [f"https://{host}" for host in plan.tenant.hosts],
        "prices": dict(plan.prices),
        "priceChanges": [
            {"price": one.what, "before": one.before, "after": one.after}
            for one in plan.price_changes
        ],
        "executed": executed,
        "changed": plan.is_changing,
        "isNew": plan.is_new,
        "record": dict(plan.record),
        "changes": [
            {"field": one.field, "before": one.before, "after": one.after} for one in plan.changes
        ],
        "derived": sorted(plan.publication["derived"]),
        "hosts": {"added": [*plan.hosts_added], "removed": [*plan.hosts_removed]},
        "script": {
            "name": plan.tenant.worker_name,
            "state": plan.script_state,
            "kind": bundle.kind,
            "main": bundle.main,
            "modules": [
                {"name": one.name, "type": one.media_type, "bytes": len(one.content)}
                for one in bundle.modules
            ],
            "bytes": bundle.raw_bytes,
            "compressedBytes": bundle.compressed_bytes,
            "compatibilityDate": bundle.compatibility_date,
            "compatibilityFlags": [*bundle.compatibility_flags],
            "bindings": [{"name": one["name"], "type": one["type"]} for one in bundle.bindings()],
            "digest": bundle.digest,
        },
        "about": dict(bundle.about),
        "notes": [*plan.notes, *_after(plan, executed=executed, is_local=is_local)],
        "call": call and {"url": call.url, "status": call.status, "said": call.body},
    }


def show_plan(console: Console, document: Mapping[str, Any]) -> None:
    """Print the document of `plan_document` as text: first what matters to its owner."""
    slug = document["slug"]
    if document["changed"]:
        lines = [
            f"{slug}: {'published' if document['executed'] else 'would be published'}",
            *_url_and_price_lines(document),
            *_record_lines(document),
            *(f"  host {host} added" for host in document["hosts"]["added"]),
            *(f"  host {host} removed" for host in document["hosts"]["removed"]),
            *_about_lines(document["about"]),
            *_script_lines(document["script"]),
        ]
    else:
        lines = [
            f"{slug} is up to date: nothing changes.",
            *_url_and_price_lines(document),
            *_about_lines(document["about"]),
        ]
    for line in (*lines, *_last_lines(document)):
        console.print(line, markup=False)


def _url_and_price_lines(document: Mapping[str, Any]) -> list[str]:
    url = document["url"] or f"/t/{document['slug']} (set CLAWR_URL to see the whole URL)"
    before = {one["price"]: one["before"] for one in document["priceChanges"]}
    after = {one["price"]: one["after"] for one in document["priceChanges"]}
    prices = {**document["prices"], **after}
    return [
        *(f"  url    {one}" for one in (url, *document["urls"])),
        *(
            f"  {what:<6} " + (f"{before[what]} → {price}" if what in before else price)
            for what, price in prices.items()
        ),
    ]


def _script_lines(script: Mapping[str, Any]) -> list[str]:
    lines = [f"  script {script['name']} ({script['kind']}), {script['state']}"]
    if script["state"] != UNCHANGED:
        flags = ", ".join(script["compatibilityFlags"]) or "none"
        size = f"{script['compressedBytes']:,} bytes compressed"
        if script["kind"] in GENERATED:
            # Its modules are not the user's.
            lines = [f"{lines[0]}, {size}"]
        else:
            lines += [
                *(f"    {one['name']:<24} {one['bytes']:>12,} bytes" for one in script["modules"]),
                f"    {size}",
                f"    compatibility {script['compatibilityDate']}, flags: {flags}",
            ]
    return [*lines, *(f"    binding {one['name']} ({one['type']})" for one in script["bindings"])]


def _record_lines(document: Mapping[str, Any]) -> list[str]:
    """Show the changes of the record; of what follows from the script, only the names."""
    hidden = {*document["derived"]} - {"tenantId", "workerName", "x402Enabled"}
    changes = [one for one in document["changes"] if one["field"] not in hidden]
    derived = [one["field"] for one in document["changes"] if one not in changes]
    if not document["changes"]:
        return ["  record unchanged"]
    return [
        "  record",
        *(
            f"    {one['field']:<14} "
            + ("" if document["isNew"] else f"{shown(one['before'])} → ")
            + shown(one["after"])
            for one in changes
        ),
        *([f"    from the script: {', '.join(derived)}"] if derived else ()),
    ]


def _about_lines(about: Mapping[str, Any]) -> list[str]:
    columns = [
        f"  column {one['name']}: {one['type']}"
        + (" or null" if one["isNullable"] and one["type"] != "null" else "")
        + (f" ({one['why']})" if "why" in one else "")
        for one in about.get("columns", ())
    ]
    key = about.get("id") or "row number"
    rows = [f"  {counted(about['rows'], 'row')}, identified by {key}"] if "rows" in about else []
    return [*rows, *columns, *(f"  {one}" for one in about.get("endpoints", ()))]


def _last_lines(document: Mapping[str, Any]) -> list[str]:
    lines = [f"note: {note}" for note in document["notes"]]
    call = document["call"]
    if call:
        status = call["status"] or "no response"
        return [*lines, curl("-i", call["url"]), f"  {status}: {call['said']}"]
    if document["changed"] and not document["executed"]:
        return [*lines, NOTHING_CHANGED]
    return lines


def _after(plan: Plan, *, executed: bool, is_local: bool) -> list[str]:
    if not executed or not plan.is_changing:
        return []
    kv_delay = "" if is_local else " At other locations, KV may show the change a minute later."
    if plan.is_new and is_local:
        return []
    cached = f"The dispatcher caches lookups for {LOOKUP_SECONDS} s."
    return [f"{cached} Until then, callers may get the previous version.{kv_delay}"]


def shown(value: object) -> str:
    """Return the value of a field as a text of bounded length."""
    if value is None:
        return "(not set)"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "…"
