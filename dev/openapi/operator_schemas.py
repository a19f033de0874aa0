"""JSON Schemas of events, settlements, reconciliation, health, rebuilds and imports."""

from __future__ import annotations

from collections.abc import Mapping

from api.spec import Schema
from dev.openapi.json_schema import (
    always,
    list_of,
    number,
    one_of,
    or_null,
    record,
    reference,
    text,
    time,
    truth,
    whole,
)

_RESPONSE: Mapping[str, Schema] = {"ok": always(value=True), "requestId": reference("RequestId")}

_CURSOR = or_null(
    text("The parameter for the next page, also valid after new entries; null on the last page.")
)


def operator_schemas() -> Mapping[str, Schema]:
    """Return the schemas by name."""
    return {
        "RequestId": text("The same as in the header `x-request-id`."),
        "ServiceHealth": record(
            {"ok": always(value=True), "service": text(), "requestId": reference("RequestId")}
        ),
        "Event": _event(),
        "Events": record(
            {
                **_RESPONSE,
                "events": list_of(reference("Event"), "In the reverse order of the log."),
                "unreadable": list_of(text(), "Segments that were left out, with the reason."),
                "cursor": _CURSOR,
            }
        ),
        "Settlement": _settlement(),
        "Settlements": record(
            {
                **_RESPONSE,
                "settlements": list_of(reference("Settlement")),
                "unreadable": list_of(text(), "The reason for each event that was left out."),
                "cursor": _CURSOR,
            }
        ),
        "Reconciliation": record({**_RESPONSE, "day": _day()}),
        "Problem": record(
            {"code": text("The kind of problem."), "message": text("The problem, in words.")}
        ),
        "Invariant": _invariant(),
        "StoredLog": _stored_log(),
        "Shard": _shard(),
        "Health": _health(),
        "Compaction": _compaction(),
        "AnyImport": {"oneOf": [_import(), _import_state()]},
        "OldEvent": _old_event(),
        "Metrics": text("OpenMetrics text, which ends with `# EOF`."),
        "Text": text("A text that no program needs to parse."),
        "X402Resources": record(
            {"version": always(1), "resources": list_of(text("An absolute URL."))},
            "What is paid for.",
        ),
        "Catalog": {
            "type": "object",
            "properties": {"openapi": always("3.1.0")},
            "required": ["openapi", "info", "servers", "paths"],
            "description": "An OpenAPI document, with `x-payment-info` for what is paid for.",
        },
        "OpenApi": {
            "type": "object",
            "properties": {"openapi": always("3.1.0")},
            "required": ["openapi", "info", "paths", "components"],
            "description": "This document.",
        },
    }


def _event() -> Schema:
    return record(
        {
            "requestId": text("The `x-request-id` of the response."),
            "at": time("When the response's headers were ready."),
            "tenantId": or_null(
                text("Null, like the next four fields, if the request reached no API.")
            ),
            "endpoint": or_null(text("`/t/SLUG`.")),
            "owner": or_null(text()),
            "directory": or_null(text()),
            "priceUsd": or_null(number("The listed price.")),
            "method": text(),
            "status": whole(least=100),
            "latencyMs": whole("From arrival to the response's headers."),
            "caller": or_null(
                text("Keyed hash of the caller; null if the request ended before it was known.")
            ),
            "outcome": text(
                "`served` if the script responded (`served_with_receipt` if it sent a payment's"
                " receipt of its own), otherwise the error code."
            ),
            "counted": truth("Whether it is a call: false if it was refused before dispatch."),
            "revenueUsd": number(),
            "revenueMicros": whole(),
        }
    )


def _settlement() -> Schema:
    return record(
        {
            "paymentId": text(),
            "source": one_of(("edge",), "All are settled by the dispatcher."),
            "counted": truth("Whether it is revenue; only payments settled by the dispatcher are."),
            "requestId": text(),
            "tenantId": text(),
            "endpoint": text(),
            "payer": or_null(text("Keyed hash of the payer.")),
            "network": text(),
            "asset": text(),
            "amount": text("In the token's smallest unit."),
            "amountUsd": number(),
            "amountMicros": whole(),
            "transaction": text(),
            "facilitator": text(),
            "claimedAt": time("When the payment was presented."),
            "settledAt": time(),
            "receipt": or_null(text("Always null: receipts of scripts are not settlements.")),
        }
    )


def _token_totals() -> Schema:
    return record(
        {
            "network": text(),
            "asset": text(),
            "settledAtEdge": text("Sum of the settlement events, in the token's smallest unit."),
            "inLedger": text("Sum of the ledger, in the same unit."),
            "difference": text(),
        }
    )


def _day() -> Schema:
    ids = list_of(text())
    tenant = record(
        {
            "tenantId": text(),
            "settledAtEdgeMicros": whole("Sum of the settlement events, in micro-dollars."),
            "inLedgerMicros": whole("Sum of the ledger, in micro-dollars."),
            "correctedMicros": whole("Sum of failed payments that turned out to be settled."),
            "differenceMicros": {"type": "integer"},
            "tokens": list_of(_token_totals()),
        }
    )
    pending = record(
        {
            "paymentId": text(),
            "tenantId": text(),
            "amountMicros": whole(),
            "reason": text(),
            "asked": whole("How often a facilitator was asked to settle it."),
            "transaction": or_null(text()),
            "claimedAt": time(),
        }
    )
    return record(
        {
            "date": text(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
            "agrees": truth("Whether both sides are equal."),
            "tenants": list_of(tenant),
            "differing": record({"onlyAtEdge": ids, "onlyInLedger": ids, "unequal": ids}),
            "pending": list_of(pending, "Payments whose outcome is not known yet."),
            "unreadable": list_of(text()),
            "reportedByScripts": whole(
                "Number of requests of the day, if it is one of the last seven, whose script sent"
                " a receipt of its own. Such receipts are not verified and not revenue."
            ),
        },
        "The payments presented on one UTC day, in the settlement events and in the ledger.",
    )


def _health() -> Schema:
    counters = (
        "eventsRecorded",
        "eventsAcknowledged",
        "eventsSpilled",
        "eventsBuffered",
        "eventsDropped",
        "batchesSent",
        "sendsFailed",
    )
    bindings = ("USAGE_KV", "USAGE_SHARD", "TENANT_KV", "DISPATCHER", "CONTROL_DB", "QUOTAS")
    refused = record({"record": text(), "reasons": list_of(text())})
    return record(
        {
            **_RESPONSE,
            "healthy": truth("Whether there are no problems."),
            "generatedAt": time(),
            "problems": list_of(reference("Problem"), "Each of them requires action."),
            "notices": list_of(reference("Problem"), "None of them requires immediate action."),
            "bindings": record(
                {name: truth() for name in bindings}, "Whether each binding is configured."
            ),
            "directory": record({"usable": whole(), "refused": list_of(refused)}),
            "payments": _payments(),
            "access": _access(),
            "log": {"anyOf": [reference("StoredLog"), record({}, "Empty without shards.")]},
            "isolate": record(
                {"writer": text(), **{name: whole() for name in counters}},
                "Counters of the responding isolate since it started; another request may reach"
                " another isolate.",
            ),
        }
    )


def _access() -> Schema:
    token = record(
        {
            "name": text(),
            "scopes": list_of(text()),
            "tenants": or_null(list_of(text(), "The tenants that it may see; null for all.")),
            "notAfter": or_null(time("When the token expires; null if it does not.")),
        }
    )
    return record(
        {"publicAnalytics": truth(), "tokens": list_of(token)}, "Who may use the platform API."
    )


def _payments() -> Schema:
    circuit = record(
        {
            "state": one_of(("closed", "open")),
            "failures": whole("In a row, as the responding isolate has seen them."),
            "openUntil": or_null(time("Until then it is asked after the others.")),
            "cause": or_null(text("The last failure.")),
        }
    )
    facilitator = record(
        {"url": text(), "answers": truth(), "supports": list_of(text()), "circuit": circuit}
    )
    fields = {
        "pricedApis": whole(),
        "pending": whole("Payments whose outcome is not known yet."),
        "unsettledSince": or_null(time()),
        "reconciledThrough": time(
            "Payments claimed before this are final, and settled ones are in the usage log."
        ),
        "facilitators": list_of(facilitator, "Present if there are priced APIs."),
        "chainEvidence": truth("Whether a node of the chain is configured for queries."),
    }
    return record(fields, optional=[name for name in fields if name != "pricedApis"])


def _stored_log() -> Schema:
    return record(
        {
            "shards": list_of(reference("Shard")),
            "invariants": list_of(reference("Invariant")),
        }
    )


def _shard() -> Schema:
    since_start = (
        "commits",
        "batches",
        "repeatedBatches",
        "refusedBatches",
        "segments",
        "putsFailed",
    )
    fields = {
        "shard": whole("Its number, from 0."),
        "responds": truth("If false, there are no other fields."),
        "acknowledged": whole("The position of the newest commit."),
        "flushed": whole("Segments in KV have all commits up to this position."),
        "checkpointed": whole("The stored totals have all commits up to this position."),
        "foldedUntil": or_null(
            text("The UTC day before which everything is in roll-ups; null before the first fold.")
        ),
        "openParts": list_of(text(), "The UTC days whose totals are not folded yet."),
        "oldestUnflushedSeconds": whole("Age of the oldest commit that no segment has."),
        "spillsWaiting": whole("Batches in KV that it did not accept."),
        "writers": whole("Recorders that it remembers."),
        "gaps": {
            "type": "object",
            "additionalProperties": whole(),
            "description": "For each recorder that has gaps, how many of its batches are missing.",
        },
        "dropped": whole("Dropped events in open parts."),
        "damaged": list_of(text(), "Totals that could not be used, and why."),
        "sinceStart": record(
            {name: whole() for name in since_start}, "Counters since the object started."
        ),
    }
    optional = [name for name in fields if name not in ("shard", "responds")]
    return record(fields, "A shard of the usage log.", optional=optional)


def _invariant() -> Schema:
    return record(
        {
            "name": text("What the value counts."),
            "value": {"type": "integer"},
            "expected": always(0),
            "needsSomeone": truth("Whether a person has to act; then it is also a problem."),
            "explanation": or_null(text("The meaning of the value; null if it is zero.")),
            "remedy": or_null(
                text("What to do; null if the value is zero or nothing needs to be done.")
            ),
        }
    )


def _compaction() -> Schema:
    day = record(
        {
            "day": _date("A UTC day."),
            "shard": whole(),
            "complete": truth("False if the next request continues it."),
            "segments": whole("Segments that were read."),
            "changed": or_null(truth("Whether the stored totals were wrong and are replaced.")),
            "reason": or_null(text("Why the day cannot be rebuilt.")),
        }
    )
    return record(
        {
            **_RESPONSE,
            "from": _date("The first day."),
            "to": _date("The day after the last one."),
            "complete": truth("False if there was no time for all days."),
            "next": or_null(_date("Where to continue, if it is not complete.")),
            "changed": list_of(_date(""), "Days that changed; none if the totals were right."),
            "days": list_of(day, "Each day in each shard."),
        }
    )


def _import() -> Schema:
    error = record(
        {
            "line": whole("The line of the body, from 1."),
            "id": or_null(text()),
            "reasons": list_of(text()),
        }
    )
    return record(
        {
            **_RESPONSE,
            "importId": or_null(text("The parameter `id`.")),
            "undoUntil": or_null(time("When it can no longer be undone; null if it cannot.")),
            "received": whole("Events in the body."),
            "imported": whole("Those that were counted."),
            "known": whole("Those that had been counted before."),
            "rejected": whole("Invalid ones."),
            "errors": list_of(error, "The first invalid ones."),
        }
    )


def _import_state() -> Schema:
    return record(
        {
            **_RESPONSE,
            "importId": text("The parameter `undo`."),
            "state": one_of(("unknown", "open", "folded", "undone"), "After the request."),
            "events": whole("Those of an import that is open, or was before."),
            "undoUntil": or_null(time("When an open import can no longer be undone.")),
        }
    )


def _old_event() -> Schema:
    return {
        "type": "object",
        "properties": {
            "at": text("RFC 3339 with `Z` or an offset."),
            "tenantId": text(),
            "slug": text(),
            "status": {"type": "integer", "minimum": 100, "maximum": 599},
            "id": text("Identifies the event."),
        },
        "required": ["at", "tenantId", "slug", "status", "id"],
        "description": "An event of an older log; docs/import-legacy.md has all fields and names.",
    }


def _date(description: str) -> Schema:
    return text(description, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
