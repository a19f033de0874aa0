"""Batches survive their codec; a shard refuses every text that it could not store or count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import constants
from core.errors import BatchUnreadable, BatchVersionUnknown
from metering.batches import BATCH_VERSION, IMPORTED, Batch, decode_batch, encode_batch
from metering.events import Api, UsageEvent
from tests.support.builders import MAPS, SETTLEMENT, WEATHER, event, numbered
from tests.support.fakes import NOON_MS

EVENTS = [
    event(request_id="one", caller="c1", revenue_micros=10_000),
    event(NOON_MS - 5_000, MAPS, request_id="two", caller="", status=503, counted=False),
    event(NOON_MS + 7, None, request_id="three", caller="0123456789abcdef"),
    event(api=Api("t", "s", "@\u00fc\U0001f600", '"\n', 0), request_id="four"),
]


def changed(**fields: Any) -> str:
    """Return a valid batch with other fields."""
    return json.dumps({**json.loads(encode_batch(numbered(1))), **fields})


COLUMNS = (
    *("request_id", "method", "outcome", "caller", "network", "at_ms"),
    *("api", "status", "latency_ms", "revenue_micros", "counted"),
)


def column(name: str, *values: Any) -> str:
    """Return a batch with one event and other values of a field."""
    events = json.loads(encode_batch(numbered(1)))["events"]
    at = COLUMNS.index(name)
    return changed(events=[*events[:at], *values, *events[at + 1 :]])


def api_column(name: str, *values: Any) -> str:
    """Return a batch with one API and other values of a field."""
    apis = json.loads(encode_batch(numbered(1)))["apis"]
    at = Api._fields.index(name)
    return changed(apis=[*apis[:at], *values, *apis[at + 1 :]])


@pytest.mark.parametrize(
    "batch",
    [
        Batch("w", 1, 0, EVENTS),
        Batch("w", 7, 3, []),
        Batch(IMPORTED, 0, 0, EVENTS),
        Batch("", 0, 0, EVENTS[:1], SETTLEMENT),
        Batch("", 0, 0, [], SETTLEMENT),
    ],
)
def test_a_batch_decodes_to_what_was_encoded(batch: Batch) -> None:
    decoded = decode_batch(encode_batch(batch))
    assert decoded._replace(events=list(decoded.events)) == batch


def test_an_encoded_batch_is_one_line_of_ascii() -> None:
    text = encode_batch(Batch("w", 1, 0, EVENTS))
    assert text.isascii()
    assert "\n" not in text


def test_an_api_is_written_once() -> None:
    batch = Batch("w", 1, 0, [event(api=WEATHER), event(api=MAPS), event(api=WEATHER)])
    assert json.loads(encode_batch(batch))["apis"] == [
        value for both in zip(WEATHER, MAPS, strict=True) for value in both
    ]


def test_a_batch_of_another_version_is_refused_by_that_name() -> None:
    for version in (1, BATCH_VERSION + 1, None, str(BATCH_VERSION)):
        with pytest.raises(BatchVersionUnknown, match="version"):
            decode_batch(changed(v=version))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        encode_batch(numbered(1))[:-1],
        "[" * 5_000,
        '{"v":3,"at":' + "9" * 5_000 + "}",
        json.dumps(json.loads(encode_batch(numbered(1))), indent=1),
        encode_batch(numbered(1)).replace("alice", "al\u00efce"),
        encode_batch(numbered(1)).replace("alice", "\\ud800"),
        encode_batch(Batch("", 0, 0, [], SETTLEMENT)).replace("id-1", "\\uDFFF"),
        changed(writer=1),
        changed(writer="A/../b"),
        changed(writer="w" * 65),
        changed(sequence=0),
        changed(sequence=-1),
        changed(sequence=True),
        changed(sequence=1.0),
        changed(dropped=1 << 53),
        changed(at=-1),
        changed(apis=None),
        changed(apis=[]),
        changed(apis=["t", "s", "o", "d"]),
        changed(apis=["t", "s", "o", "d", 0, 0]),
        changed(apis={"t": 0}),
        api_column("price_micros", -1),
        api_column("slug", 5),
        api_column("slug", "s", "s"),
        changed(events=5),
        changed(events={}),
        changed(events=[]).replace('"events": []', '"events": {"a": 1}'),
        changed(events=["e"]),
        changed(events=[[]] * 11),
        changed(events=[0] * (constants.BATCH_EVENTS_MAX + 1) * 11),
        changed(writer=""),
        changed(writer=IMPORTED),
        changed(settlement=[1, *SETTLEMENT]),
        changed(writer="", sequence=0, settlement=[1]),
        changed(writer="", sequence=0, settlement=[1, *SETTLEMENT._replace(claimed_at_ms=-1)]),
        changed(writer="", sequence=0, settlement=[1, *SETTLEMENT._replace(claimed_at_ms=1 << 53)]),
        encode_batch(Batch("", 0, 0, EVENTS[:2], SETTLEMENT)),
        column("request_id"),
        column("request_id", "one", "two"),
        column("request_id", None),
        column("at_ms", -(1 << 53)),
        column("at_ms", 1 << 53),
        column("at_ms", "0"),
        column("at_ms", True),
        column("api", 2),
        column("api", -1),
        column("api", True),
        column("api", None),
        column("method", {}),
        column("status", None),
        column("latency_ms", 10**30),
        column("latency_ms", 2.5),
        column("caller", "not a hash"),
        column("caller", "0" * 17),
        column("caller", "0 0"),
        column("outcome", 5),
        column("counted", None),
        column("counted", True),
        column("revenue_micros", -1),
        column("network", "F"),
        column("network", None),
    ],
)
def test_a_text_that_is_not_a_batch_is_refused(text: str) -> None:
    with pytest.raises(BatchUnreadable):
        decode_batch(text)


def test_a_text_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(BatchUnreadable, match="the limit is 1000000"):
        decode_batch("x" * (constants.BATCH_LENGTH_MAX + 1))


def test_the_longest_names_of_a_full_batch_stay_below_the_limit() -> None:
    api = Api("t" * 200, "s" * 200, "o" * 200, "d" * 200, constants.PRICE_MICROS_MAX)
    events: list[UsageEvent] = [event(api=api, request_id="r" * 40)] * constants.BATCH_EVENTS_MAX
    assert len(encode_batch(Batch("w" * 64, 1, 0, events))) < constants.BATCH_LENGTH_MAX
