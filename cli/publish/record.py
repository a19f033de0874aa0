"""Builds the directory record from options and a JSON file; options take precedence.

The record is validated with the dispatcher's own code.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.located_json import JsonMistake, check_end, line_of, members
from cli.publish.openapi import SCHEMA_LENGTH, Description, Operation
from cli.publish.validation import Findings
from core.constants import RECORD_LENGTH_MAX
from core.errors import RecordRefused
from tenants.records import FIELDS, SLUG, Tenant, normal_host, parse_tenant
from tenants.routes import ROUTES_MAX

OPTIONS: Final[Mapping[str, str]] = {
    "slug": "--slug",
    "tenantId": "--tenant-id",
    "workerName": "--script",
    "owner": "--owner",
    "ownerUserId": "--owner-user-id",
    "directory": "--category",
    "plan": "--plan",
    "limits": "--cpu-ms, --sub-requests",
    "hosts": "--host",
    "priceUsd": "--price",
    "x402Enabled": "--x402",
    "payTo": "--pay-to",
    "paymentNetwork": "--network",
    "description": "--description",
    "rateLimit": "--rate-limit",
    "usageLimit": "--daily-requests, --monthly-requests",
    "spendLimit": "--daily-spend, --monthly-spend",
    "routes": "--route",
}
"""The options that set fields of a record; --record sets the others."""

_ROUTE = re.compile(r"(?:([A-Z*]+) )?(/\S*)=(\S+)", re.ASCII)

SCHEMAS_LENGTH: Final = 24_000
"""Characters as JSON that all schemas of a record's description may have, of the 65,536 of the
record: the dispatcher parses it every half minute."""

_ROUTE_NUMBER = re.compile(r"routes\[(\d+)\]")

_RATE = re.compile(r"(\d{1,9})/(\d{1,4})s", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The options for a record.

    Args:
        fields: Fields by name; `None` if not given.
        pairs: Fields that are objects, by name, with their parts; `None` if a part is not given.
        rate: `rateLimit` as `N/10s` or `N/60s`.
        file: A JSON file with fields.
        routes: Entries of `routes` as `[METHOD ]PATH=PRICE`.
    """

    fields: Mapping[str, Any]
    pairs: Mapping[str, Mapping[str, Any]]
    rate: str | None = None
    file: Path | None = None
    routes: Sequence[str] = ()

    def given(self, findings: Findings) -> dict[str, Any]:
        """Return the given fields; an invalid rate is added to `findings`."""
        given = {name: value for name, value in self.fields.items() if value is not None}
        for name, parts in self.pairs.items():
            given_parts = {part: value for part, value in parts.items() if value is not None}
            if given_parts:
                given[name] = given_parts
        if self.routes:
            given["routes"] = [_read_route(text, findings) for text in self.routes]
        rate = self.rate and read_rate(self.rate, findings)
        return {**given, "rateLimit": rate} if rate else given


def checked_record(
    options: RecordOptions, free_paths: Sequence[str] = ()
) -> tuple[dict[str, Any], Tenant]:
    """Return the record, and the same as parsed by the dispatcher.

    Args:
        options: The options.
        free_paths: Paths that are free if the API has a price and no routes are given.

    Raises:
        InputError: The record is invalid; the findings list all mistakes.
    """
    findings = Findings()
    given, file = options.given(findings), options.file
    lines: dict[str, int] = {}
    fields = _read_file(file, lines, findings) if file else {}
    place = file.name if file else ""
    for name in fields:
        if name not in FIELDS:
            findings.add(f"unknown field {name!r}", place, lines[name])
    known = {name: value for name, value in {**fields, **given}.items() if name in FIELDS}
    record = {name: value for name, value in known.items() if value is not None}
    slug = record.get("slug")
    # An invalid slug must be reported once, and not again for the names derived from it.
    name = slug if isinstance(slug, str) and SLUG.fullmatch(slug) else "slug"
    record.setdefault("workerName", name)
    record.setdefault("tenantId", f"ten_{name}")
    if record.get("priceUsd") is not None:
        record.setdefault("x402Enabled", True)
        if free_paths:
            free = [{"method": "GET", "path": path, "priceUsd": 0} for path in free_paths]
            record.setdefault("routes", free)
    if isinstance(record.get("hosts"), list):
        record["hosts"] = _normal_hosts(record["hosts"])
    length = len(json.dumps(record, ensure_ascii=False))
    if length > RECORD_LENGTH_MAX:
        findings.add(f"{length:,} characters; the limit is {RECORD_LENGTH_MAX:,}", place)
    try:
        tenant = parse_tenant(record, "record")
    except RecordRefused as error:
        for reason in error.reasons:
            name = re.split(r"[^A-Za-z0-9]", reason, maxsplit=1)[0]
            if name in given or name not in lines:
                findings.add(reason, OPTIONS.get(name, ""))
            else:
                findings.add(reason, place, lines[name])
        findings.refuse("The directory record")
        raise
    findings.refuse("The directory record")
    return _ordered(record), tenant


def described_record(
    record: Mapping[str, Any], tenant: Tenant, description: Description
) -> tuple[dict[str, Any], Tenant, Sequence[str]]:
    """Return a valid record with what its API says about itself, the same parsed, and notes.

    Fields of the record win. If the API has a price, each path that its description has becomes a
    route, which costs what the record says.

    Args:
        record: The record.
        tenant: The same, as parsed by the dispatcher.
        description: What the API says.
    """
    length = SCHEMAS_LENGTH // (2 * max(len(description.operations), 1))
    operations = [one.compact(min(length, SCHEMA_LENGTH)) for one in description.operations]
    found = {**(operations[0].fields if operations else {}), "tags": [*description.tags]}
    if record.keys() & {"inputSchema", "outputSchema"}:
        # It is of other schemas.
        found.pop("example", None)
    found = {name: value for name, value in {**found, **record}.items() if value != []}
    if description.title:
        found.setdefault("title", description.title)
    notes = []
    if tenant.priced and description.is_complete:
        given = [_described_route(route, operations) for route in record.get("routes", ())]
        further = [one for one in operations if one is not operations[0] or one.path != "/"]
        found["routes"] = [*given, *({"path": one.path, **one.fields} for one in further)]
        notes = _drop_unusable_routes(found, len(given))
    elif tenant.priced and not operations:
        notes = ["Indexers are not told how it is called. Give its OpenAPI document (--openapi)."]
    return _ordered(found), parse_tenant(found, "record"), notes


def _described_route(
    route: Mapping[str, Any], operations: Sequence[Operation]
) -> Mapping[str, Any]:
    """Return a priced route of the record with the description of its path, if there is one."""
    method = route.get("method", "*")
    for one in operations:
        if one.path == route["path"] and method in ("*", one.methods[0]):
            is_free = float(route.get("priceUsd", 1)) == 0
            return route if is_free else {**one.fields, **route}
    return route


def _drop_unusable_routes(record: dict[str, Any], first: int) -> list[str]:
    """Remove routes from the number `first` on that the record cannot have; return notes.

    Others cover them, their paths cannot be in a route, or they are too many.
    """
    routes = record["routes"]
    dropped = len(routes[ROUTES_MAX:])
    del routes[ROUTES_MAX:]
    while len(json.dumps(record, ensure_ascii=False)) > RECORD_LENGTH_MAX and routes[first:]:
        dropped += 1
        routes.pop()
    while True:
        try:
            parse_tenant(record, "record")
        except RecordRefused as error:
            numbers = {
                int(found[1]) for one in error.reasons if (found := _ROUTE_NUMBER.match(one))
            }
            unusable = sorted((one for one in numbers if one >= first), reverse=True)
            if not unusable:
                raise
            for number in unusable:
                dropped += routes[number]["path"] not in [one["path"] for one in routes[:first]]
                del routes[number]
        else:
            break
    if not routes:
        del record["routes"]
    if not dropped:
        return []
    return [f"Indexers are not told of {dropped} paths, for which the record can have no routes."]


def _ordered(record: Mapping[str, Any]) -> dict[str, Any]:
    order = [*OPTIONS, *sorted(FIELDS - OPTIONS.keys())]
    return {name: record[name] for name in order if name in record}


def read_rate(text: str, findings: Findings) -> dict[str, int] | None:
    """Return `rateLimit` for a text such as `100/60s`; mistakes are added to `findings`."""
    match = _RATE.fullmatch(text)
    if match is None:
        findings.add(f"must be N/10s or N/60s, is {text!r}", "--rate-limit")
        return None
    return {"requests": int(match[1]), "windowSeconds": int(match[2])}


def _read_route(text: str, findings: Findings) -> dict[str, Any]:
    match = _ROUTE.fullmatch(text)
    if match is None:
        findings.add(
            f"must be [METHOD ]PATH=PRICE, such as 'GET /health=0', is {text!r}", "--route"
        )
        return {"path": "/", "priceUsd": 0}
    method, path, price = match.groups()
    route = {"path": path, "priceUsd": price}
    return {"method": method, **route} if method else route


def _read_file(file: Path, lines: dict[str, int], findings: Findings) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        findings.add(str(reason), file.name)
        return {}
    fields: dict[str, Any] = {}
    try:
        for at, name, value in members(text):
            line = line_of(text, at)
            if name in fields:
                findings.add(f"{name!r} is already set in line {lines[name]}", file.name, line)
            fields[name], lines[name] = value, line
        check_end(text)
    except JsonMistake as error:
        findings.add(f"not a JSON object: {error.message}", file.name, error.line)
    return fields


def _normal_hosts(hosts: Sequence[Any]) -> list[Any]:
    """Normalize hosts as lookups do. Invalid ones are unchanged; `parse_tenant` reports them."""
    normal = []
    for host in hosts:
        try:
            normal.append(normal_host(host))
        except (ValueError, AttributeError):
            normal.append(host)
    return list(dict.fromkeys(normal)) if all(isinstance(one, str) for one in normal) else normal
