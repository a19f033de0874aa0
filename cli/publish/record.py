"""Builds the directory record: what is published, changed by a JSON file, changed by options.

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
from tenants.fields import usd_micros
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

MAIN_NAMES: Final = ("index", "main", "entry", "worker")
"""The names of files that say nothing about what they are."""

SLUG_LENGTH_MAX: Final = 63

PUBLISHED: Final = "in the published record"
"""The place of a mistake in a field that is kept."""

FieldPart = tuple[str, str]
"""A field, and the name of one of its parts; without a part, the whole field."""

_ROUTE = re.compile(r"(?:([A-Z*]+) )?(/\S*)=(\S+)", re.ASCII)

SCHEMAS_LENGTH: Final = 24_000
"""Characters as JSON that all schemas of a record's description may have, of the 65,536 of the
record: the dispatcher parses it every half minute."""

_ROUTE_NUMBER = re.compile(r"routes\[(\d+)\]")

_RATE = re.compile(r"(\d{1,9})/(\d{1,4})s", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The options for a record. What is not given keeps its value.

    Args:
        fields: Fields by name; `None` if not given.
        pairs: Fields that are objects, by name, with their parts; `None` if a part is not given.
        rate: `rateLimit` as `N/10s` or `N/60s`.
        file: A JSON file with fields.
        routes: Entries of `routes` as `[METHOD ]PATH=PRICE`.
        cleared: Fields, and parts of fields, to remove.
    """

    fields: Mapping[str, Any]
    pairs: Mapping[str, Mapping[str, Any]]
    rate: str | None = None
    file: Path | None = None
    routes: Sequence[str] = ()
    cleared: Sequence[FieldPart] = ()

    def read(self) -> "Asked":
        """Read the file and the texts; mistakes are in the result's `findings`."""
        findings = Findings()
        fields = {name: value for name, value in self.fields.items() if value is not None}
        if self.routes:
            fields["routes"] = [_read_route(text, findings) for text in self.routes]
        rate = self.rate and read_rate(self.rate, findings)
        if rate:
            fields["rateLimit"] = rate
        pairs = {
            name: {part: value for part, value in parts.items() if value is not None}
            for name, parts in self.pairs.items()
        }
        lines: dict[str, int] = {}
        from_file = _read_file(self.file, lines, findings) if self.file else {}
        place = self.file.name if self.file else ""
        for name in from_file:
            if name not in FIELDS:
                findings.add(f"unknown field {name!r}", place, lines[name])
        return Asked(
            fields=fields,
            pairs={name: parts for name, parts in pairs.items() if parts},
            file={name: value for name, value in from_file.items() if name in FIELDS},
            lines=lines,
            place=place,
            cleared=self.cleared,
            findings=findings,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command asks of a record.

    Args:
        fields: Fields of options.
        pairs: Parts of fields, of options.
        file: Fields of the file; null removes one.
        lines: The line of each field of the file.
        place: The file's name; empty without one.
        cleared: Fields, and parts of fields, to remove.
        findings: The mistakes so far.
    """

    fields: Mapping[str, Any]
    pairs: Mapping[str, Mapping[str, Any]]
    file: Mapping[str, Any]
    lines: Mapping[str, int]
    place: str
    cleared: Sequence[FieldPart]
    findings: Findings

    @property
    def slug(self) -> Any:  # noqa: ANN401 (any JSON)
        """The slug that is given, if one is."""
        return self.fields.get("slug", self.file.get("slug"))

    def applied_to(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with the changes that are asked for.

        Args:
            base: The fields that are published; empty for a new API.
        """
        record = {**base, **self.file, **self.fields}
        for name, parts in self.pairs.items():
            known = record.get(name)
            record[name] = {**(known if isinstance(known, dict) else {}), **parts}
        for name, part in self.cleared:
            known = record.get(name)
            if part and isinstance(known, dict):
                record[name] = {one: value for one, value in known.items() if one != part} or None
            elif not part:
                record.pop(name, None)
        return {name: value for name, value in record.items() if value is not None}


def checked_record(
    asked: Asked, base: Mapping[str, Any] | None = None, free_paths: Sequence[str] = ()
) -> tuple[dict[str, Any], Tenant]:
    """Return the record, and the same as parsed by the dispatcher.

    Args:
        asked: The changes.
        base: The fields that are published; without them, the API is new.
        free_paths: Paths that are free if the API has a price and no routes are given.

    Raises:
        InputError: The record is invalid; the findings list all mistakes.
    """
    findings, place, lines = asked.findings, asked.place, asked.lines
    record = asked.applied_to(base or {})
    slug = record.get("slug")
    # An invalid slug must be reported once, and not again for the names derived from it.
    name = slug if isinstance(slug, str) and SLUG.fullmatch(slug) else "slug"
    record.setdefault("workerName", name)
    record.setdefault("tenantId", f"ten_{name}")
    _add_price_defaults(record, asked, free_paths)
    if isinstance(record.get("hosts"), list):
        record["hosts"] = _normal_hosts(record["hosts"])
    length = len(json.dumps(record, ensure_ascii=False))
    if length > RECORD_LENGTH_MAX:
        findings.add(f"{length:,} characters; the limit is {RECORD_LENGTH_MAX:,}", place)
    given = {*asked.fields, *asked.pairs}
    try:
        tenant = parse_tenant(record, "record")
    except RecordRefused as error:
        for reason in error.reasons:
            name = re.split(r"[^A-Za-z0-9]", reason, maxsplit=1)[0]
            if name in given or name not in lines:
                is_kept = name not in given and name in (base or {})
                findings.add(reason, PUBLISHED if is_kept else OPTIONS.get(name, ""))
            else:
                findings.add(reason, place, lines[name])
        findings.refuse("The directory record")
        raise
    findings.refuse("The directory record")
    return _ordered(record), tenant


def _add_price_defaults(record: dict[str, Any], asked: Asked, free_paths: Sequence[str]) -> None:
    """Require payment of a price, and make a dataset's description free; `--price 0` ends both."""
    price = record.get("priceUsd")
    if price is None:
        return
    if usd_micros(price) != 0:
        record.setdefault("x402Enabled", True)
        if free_paths:
            free = [{"method": "GET", "path": path, "priceUsd": 0} for path in free_paths]
            record.setdefault("routes", free)
    elif "priceUsd" in asked.fields:
        others = [*(record.get("routes") or ()), *(record.get("accepts") or ())]
        is_priced = any(isinstance(one, dict) and _has_price(one) for one in others)
        if not is_priced:
            record.pop("priceUsd")
            if "x402Enabled" not in asked.fields:
                record.pop("x402Enabled", None)


def _has_price(entry: Mapping[str, Any]) -> bool:
    return bool(usd_micros(entry.get("priceUsd")) or entry.get("amount") or entry.get("accepts"))


def slug_of(path: Path) -> str:
    """Return the slug for a file or folder that is published without one; may be invalid.

    A Worker's main module in a folder has the folder's name: `weather/index.js` is `weather`.
    """
    whole = path.resolve()
    name = whole.stem if whole.suffix else whole.name
    if name in MAIN_NAMES and not whole.is_dir():
        name = whole.parent.name
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:SLUG_LENGTH_MAX].rstrip("-_")


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
