"""Formats a plan, as JSON and as text. Neither contains values of secrets."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from cli.output import NOTHING_CHANGED
from cli.publish.plan import LOOKUP_SECONDS, UNCHANGED, Plan
from cli.publish.smoke_test import FirstCall

SHOWN_LENGTH_MAX: Final = 200
"""Characters of a field's value in a terminal; --json has all."""


def plan_document(
    plan: Plan, *, executed: bool, call: FirstCall | None, is_local: bool
) -> dict[str, Any]:
    """Return a plan as JSON.

    Args:
        plan: The plan.
        executed: Whether it was carried out.
        call: The test call, if there was one.
        is_local: Whether the target is `make dev`.
    """
    bundle = plan.bundle
    return {
        "slug": plan.tenant.slug,
        "executed": executed,
        "changed": plan.is_changing,
        "isNew": plan.is_new,
        "record": dict(plan.record),
        "changes": [
            {"field": one.field, "before": one.before, "after": one.after} for one in plan.changes
        ],
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
    """Print the document of `plan_document` as text."""
    slug = document["slug"]
    if document["changed"]:
        lines = [
            f"{slug}: {'published' if document['executed'] else 'would be published'}",
            *_script_lines(document["script"]),
            *_record_lines(document),
            *(f"  host {host} added" for host in document["hosts"]["added"]),
            *(f"  host {host} removed" for host in document["hosts"]["removed"]),
        ]
    else:
        lines = [f"{slug} is up to date: nothing changes."]
    for line in (*lines, *_about_lines(document["about"]), *_last_lines(document)):
        console.print(line, markup=False)


def _script_lines(script: Mapping[str, Any]) -> list[str]:
    lines = [f"  script {script['name']} ({script['kind']}), {script['state']}"]
    if script["state"] != UNCHANGED:
        flags = ", ".join(script["compatibilityFlags"]) or "none"
        lines += [
            *(f"    {one['name']:<24} {one['bytes']:>12,} bytes" for one in script["modules"]),
            f"    {'compressed':<24} {script['compressedBytes']:>12,} bytes",
            f"    compatibility {script['compatibilityDate']}, flags: {flags}",
        ]
    return [*lines, *(f"    binding {one['name']} ({one['type']})" for one in script["bindings"])]


def _record_lines(document: Mapping[str, Any]) -> list[str]:
    changes = document["changes"]
    if not changes:
        return ["  record unchanged"]
    if document["isNew"]:
        return ["  record", *(f"    {one['field']:<14} {shown(one['after'])}" for one in changes)]
    return [
        "  record",
        *(
            f"    {one['field']:<14} {shown(one['before'])} → {shown(one['after'])}"
            for one in changes
        ),
    ]


def _about_lines(about: Mapping[str, Any]) -> list[str]:
    columns = [
        f"  column {one['name']}: {one['type']}"
        + (" or null" if one["isNullable"] and one["type"] != "null" else "")
        + (f" ({one['why']})" if "why" in one else "")
        for one in about.get("columns", ())
    ]
    key = about.get("id") or "row number"
    rows = [f"  {about['rows']:,} rows, identified by {key}"] if "rows" in about else []
    return [*rows, *columns, *(f"  {one}" for one in about.get("endpoints", ()))]


def _last_lines(document: Mapping[str, Any]) -> list[str]:
    lines = [f"note: {note}" for note in document["notes"]]
    call = document["call"]
    if call:
        status = call["status"] or "no response"
        return [*lines, f"curl -i {call['url']}", f"  {status}: {call['said']}"]
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
