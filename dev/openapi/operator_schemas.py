"""The shapes of what operators read: events, settlements, reconciliation, health, compaction.

Owns what each field is said to mean. Refuses to know who may ask.
"""

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

_ANSWER: Mapping[str, Schema] = {"ok": always(value=True), "requestId": reference("RequestId")}

_CURSOR = or_null(
    text(
        "Asks for the next page, and stays valid while new entries come in; null on the last page."
    )
)


def report_shapes() -> Mapping[str, Schema]:
    """Give the shapes by the names they have in the document."""
    return {
        "RequestId": text("The same as in the header `x-request-id`."),
        "ServiceHealth": record(
            {"ok": always(value=True), "service": text(), "requestId": reference("RequestId")}
        ),
        "Event": _event(),
        "Events": record({**_ANSWER, "events": list_of(reference("Event")), "cursor": _CURSOR}),
        "Settlement": _settlement(),
        "Settlements": record(
            {
                **_ANSWER,
                "settlements": list_of(reference("Settlement")),
                "unreadable": list_of(text(), "Keys of events that cannot be read, and why."),
                "cursor": _CURSOR,
            }
        ),
        "Reconciliation": record({**_ANSWER, "day": _day()}),
        "Problem": record(
            {"code": text("What kind of problem it is."), "message": text("In words.")}
        ),
        "Invariant": _invariant(),
        "StoredLog": _stored_log(),
        "Health": _health(),
        "Compaction": _compaction(),
        "Metrics": text("OpenMetrics, ending with `# EOF`."),
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
            "requestId": text("The `x-request-id` that the request was answered with."),
            "at": time("When the response's headers were ready."),
            "tenantId": or_null(text("Null when no API answers there, like the next four.")),
            "endpoint": or_null(text("`/t/SLUG`.")),
            "owner": or_null(text()),
            "directory": or_null(text()),
            "priceUsd": or_null(number("The listed price.")),
            "method": text(),
            "status": whole(least=100),
            "latencyMs": whole("From arrival to the response's headers."),
            "caller": or_null(
                text("A keyed hash of who called; null when the request ended before.")
            ),
            "outcome": text("`served` when the script answered, else the error's code."),
            "counted": truth("Whether it is a call: not when it was refused before dispatch."),
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
                f"`{AT_EDGE}`: the dispatcher settled it. `{BY_SCRIPT}`: a receipt that a script"
                " sent of its own accord; nobody checked.",
            ),
            "counted": truth("Whether it is revenue: what the edge settled is."),
            "requestId": text(),
            "tenantId": text(),
            "endpoint": text(),
            "payer": or_null(text("A keyed hash of the payer.")),
            "network": text(),
            "asset": text(),
            "amount": text("In the token's smallest unit."),
            "amountUsd": number(),
            "amountMicros": whole(),
            "transaction": text(),
            "facilitator": text(),
            "claimedAt": time("When it was presented."),
            "settledAt": time(),
            "receipt": or_null(text("What a script said.")),
        }
    )


def _day() -> Schema:
    ids = list_of(text())
    tenant = record(
        {
            "tenantId": text(),
            "settledAtEdgeMicros": whole("By settlement events, in micro-dollars."),
            "inLedgerMicros": whole("By the ledger."),
            "correctedMicros": whole("What was found to have moved after all."),
            "differenceMicros": {"type": "integer"},
        }
    )
    pending = record(
        {
            "paymentId": text(),
            "tenantId": text(),
            "amountMicros": whole(),
            "reason": text(),
            "asked": whole("How often a facilitator was asked."),
            "transaction": or_null(text()),
            "claimedAt": time(),
        }
    )
    return record(
        {
            "date": text(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
            "agrees": truth("Whether nothing differs."),
            "tenants": list_of(tenant),
            "differing": record({"onlyAtEdge": ids, "onlyInLedger": ids, "unequal": ids}),
            "pending": list_of(pending, "Payments whose outcome is not known yet."),
            "unreadable": list_of(text()),
            "reportedByScripts": whole("Receipts of scripts, which nobody counts."),
        },
        "The payments presented on one UTC day, on both sides.",
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
            **_ANSWER,
            "healthy": truth("Whether there are no problems."),
            "generatedAt": time(),
            "problems": list_of(reference("Problem"), "Each needs a person."),
            "notices": list_of(reference("Problem"), "These need nobody at once."),
            "bindings": record({name: truth() for name in bindings}, "Which are configured."),
            "directory": record({"usable": whole(), "refused": list_of(refused)}),
            "payments": _payments(),
            "access": _access(),
            "log": {"anyOf": [reference("StoredLog"), record({}, "KV cannot be read.")]},
            "isolate": record(
                {"writer": text(), **{name: whole() for name in counters}},
                "What the isolate that answers did since it started; another request may meet"
                " another one.",
            ),
        }
    )


def _access() -> Schema:
    token = record(
        {
            "name": text(),
            "scopes": list_of(text()),
            "notAfter": or_null(time("When it ends, if it does.")),
        }
    )
    return record({"publicAnalytics": truth(), "tokens": list_of(token)}, "Who may ask for what.")


def _payments() -> Schema:
    facilitator = record({"url": text(), "answers": truth(), "supports": list_of(text())})
    fields = {
        "pricedApis": whole(),
        "pending": whole("Payments whose outcome is not known yet."),
        "unsettledSince": or_null(time()),
        "reconciledThrough": or_null(time()),
        "facilitators": list_of(facilitator, "Where there are priced APIs."),
        "chainEvidence": truth("Whether a node of the chain can be asked."),
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
                "What the invariants are of.",
            ),
            "invariants": list_of(reference("Invariant")),
        }
    )


def _invariant() -> Schema:
    return record(
        {
            "name": text("What it counts, in one word."),
            "value": {"type": "integer"},
            "expected": always(0),
            "needsSomeone": truth("Whether a person has to look; it is a problem then, too."),
            "explanation": or_null(text("What the value means; null when it is zero.")),
            "remedy": or_null(text("What to do; null when it is zero, or nothing is to be done.")),
        }
    )


def _compaction() -> Schema:
    return record(
        {
            **_ANSWER,
            "from": time(),
            "to": time(),
            "complete": truth("False when the KV operations were not enough, or it was stopped."),
            "rebuilt": whole("Summaries that were made again."),
            "changed": list_of(
                text(), "Keys that came out differently, which is none in a sound log."
            ),
            "operations": whole("KV operations spent."),
            "stoppedBy": or_null(text("What a person has to decide.")),
        }
    )
