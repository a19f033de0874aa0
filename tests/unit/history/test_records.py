"""Generated events are accepted by the dispatcher's import, and describe themselves."""

from __future__ import annotations

import json
from functools import cache

from api.imports.old_event import EventReader, known_fields
from core.calendar import timestamp
from dev.history.records import demo_marker, import_record
from dev.history.traffic import Span, make_events
from metering.events import UsageEvent
from tests.unit.history.test_traffic import APIS, PRICED

SPAN = Span(2, 1_795_398_000_000)


@cache
def events() -> list[UsageEvent]:
    """Return the events that tests share; each process of a run imports this module."""
    return make_events(APIS, PRICED, SPAN, 1)


def test_every_event_is_imported_unchanged() -> None:
    reader = EventReader(SPAN.end_ms)
    for event in events():
        record = json.loads(json.dumps(import_record(event)))
        old = reader.read(known_fields(record))
        assert old.own_id == event.request_id
        assert old.caller == f"agent:{event.caller}"
        assert old.event == event._replace(request_id="", caller="")


def test_the_marker_has_time_range_and_counts() -> None:
    marker = json.loads(demo_marker(SPAN, 1, events(), is_complete=True))
    assert (marker["events"], marker["days"], marker["complete"]) == (len(events()), 2, True)
    assert marker["from"] == timestamp(SPAN.start_ms)
