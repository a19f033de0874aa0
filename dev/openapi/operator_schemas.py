"""JSON Schemas of events, settlements, reconciliation, health and compaction."""

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
from metering.settlements import AT_EDGE, BY_SCRIPT

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
        "Events": record({**_RESPONSE, "events": list_of(reference("Event")), "cursor": _CURSOR}),
        "Settlement": _settlement(),
        "Settlements": record(
            {
                **_RESPONSE,
                "settlements": list_of(reference("Settlement")),
                "unreadable": list_of(text(), "Keys of unreadable events, with the reason."),
                "cursor": _CURSOR,
            }
        ),
        "Reconciliation": record({**_RESPONSE, "day": _day()}),
        "Problem": record(
            {"code": text("The kind of problem."), "message": text("The problem, in words.")}
        ),
        "Invariant": _invariant(),
        "StoredLog": _stored_log(),
        "Health": _health(),
        "Compaction": _compaction(),
        "Metrics": text("OpenMetrics text, which ends with `# EOF`."),
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
            "outcome": text("`served` if the script responded, otherwise the error code."),
            "counted": truth("Whether it is a call: false if it was refused before dispatch."),
            "revenueUsd": number(),
            "revenueMicros": whole(),
        }
    )


def _settlement() -> Schema:
    return record(
        {
            "paymentId": text(),
            "source": one_of(
                (AT_EDGE, BY_SCRIPT),
                f"`{AT_EDGE}`: settled by the dispatcher. `{BY_SCRIPT}`: an unverified receipt that"
                " a script sent.",
            ),
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
            "receipt": or_null(text("The receipt of the script.")),
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
                "Number of unverified receipts of scripts; they are not revenue."
            ),
        },
        "The payments presented on one UTC day, in the settlement events and in the ledger.",
    )


def _health() -> Schema:
    counters = (
        "eventsAppended",
        "eventsCommitted",
        "eventsHeld",
        "eventsDropped",
        "batchesCommitted",
        "putsFailed",
    )
    bindings = ("USAGE_KV", "TENANT_KV", "DISPATCHER", "CONTROL_DB", "QUOTAS")
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
            "log": {"anyOf": [reference("StoredLog"), record({}, "Empty if KV cannot be read.")]},
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
            "notAfter": or_null(time("When the token expires; null if it does not.")),
        }
    )
    return record(
        {"publicAnalytics": truth(), "tokens": list_of(token)}, "Who may use the platform API."
    )


def _payments() -> Schema:
    facilitator = record({"url": text(), "answers": truth(), "supports": list_of(text())})
    fields = {
        "pricedApis": whole(),
        "pending": whole("Payments whose outcome is not known yet."),
        "unsettledSince": or_null(time()),
        "reconciledThrough": or_null(time()),
        "facilitators": list_of(facilitator, "Present if there are priced APIs."),
        "chainEvidence": truth("Whether a node of the chain is configured for queries."),
    }
    return record(fields, optional=[name for name in fields if name != "pricedApis"])


def _stored_log() -> Schema:
    return record(
        {
            "newestBatches": whole(),
            "newestEvents": whole(),
            "olderBatches": truth(),
            "compactedUntil": or_null(time()),
            "oldestUncompacted": or_null(time()),
            "backlogMinutes": or_null(whole()),
            "lateBatches": whole(),
            "compared": record(
                {"from": or_null(time()), "to": or_null(time()), "batches": whole()},
                "The range that the invariants cover.",
            ),
            "invariants": list_of(reference("Invariant")),
        }
    )


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
    return record(
        {
            **_RESPONSE,
            "from": time(),
            "to": time(),
            "complete": truth(
                "False if the KV operations were not enough, or an error stopped the rebuild."
            ),
            "rebuilt": whole("Number of rebuilt summaries."),
            "changed": list_of(
                text(), "Keys of summaries that changed; none if the log was consistent."
            ),
            "operations": whole("Number of KV operations."),
            "stoppedBy": or_null(text("The problem that a person has to decide on.")),
        }
    )
