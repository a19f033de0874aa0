"""Generated events as the dispatcher imports them, and the marker of generated history."""

import json
from collections.abc import Mapping, Sequence

from core.calendar import timestamp
from core.ports import Json
from dev.history.traffic import Span
from metering.events import UsageEvent


def import_record(event: UsageEvent) -> Mapping[str, Json]:
    """Return a generated event with the fields of docs/import-legacy.md."""
    api = event.api
    assert api is not None
    described = {"owner": api.owner, "directory": api.directory}
    return {
        "id": event.request_id,
        "at": event.at_ms,
        "tenantId": api.tenant_id,
        "slug": api.slug,
        **{name: value for name, value in described.items() if value},
        "priceMicros": api.price_micros,
        "revenueMicros": event.revenue_micros,
        "status": event.status,
        "latencyMs": event.latency_ms,
        "method": event.method,
        "outcome": event.outcome,
        "counted": event.counted,
        "agentId": event.caller,
    }


def demo_marker(span: Span, seed: int, events: Sequence[UsageEvent], *, is_complete: bool) -> str:
    """Return the value of `keys.DEMO_HISTORY`, which describes the generated history."""
    document = {
        "seed": seed,
        "days": span.days,
        "from": timestamp(span.start_ms),
        "to": timestamp(span.end_ms),
        "endMs": span.end_ms,
        "events": len(events),
        "calls": sum(event.counted for event in events),
        "revenueMicros": sum(event.revenue_micros for event in events),
        "complete": is_complete,
    }
    return json.dumps(document)
