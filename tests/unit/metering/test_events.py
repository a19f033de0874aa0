"""Batches are decoded as they were encoded, and invalid ones are rejected."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar import MINUTE_MS
from core.errors import BatchUnreadable
from metering.events import Api, Batch, UsageEvent, batch_metadata, decode_batch, encode_batch
from tests.support.builders import MAPS, WEATHER, event
from tests.support.fakes import NOON_MS

MINUTE = NOON_MS // MINUTE_MS

apis = st.builds(Api, *[st.text(max_size=20)] * 4, st.integers(0, 10**10))
events = st.builds(
    UsageEvent,
    request_id=st.text(max_size=20),
    at_ms=st.integers(NOON_MS, NOON_MS + MINUTE_MS - 1),
    api=st.none() | apis,
    method=st.sampled_from(["GET", "POST"]),
    status=st.integers(100, 599),
    latency_ms=st.integers(0, 30_000),
    caller=st.text("0123456789abcdef", max_size=16),
    outcome=st.sampled_from(["served", "tenant_worker_failure"]),
    counted=st.booleans(),
    revenue_micros=st.integers(0, 10**12),
)
batches = st.builds(Batch, st.lists(events, max_size=20), st.integers(0, 100))


@given(batches)
def test_a_batch_is_decoded_as_it_was_encoded(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch, MINUTE), MINUTE) == batch


def test_an_api_is_written_once_in_a_batch() -> None:
    batch = Batch([event(api=WEATHER), event(api=MAPS), event(api=WEATHER)], 0)
    assert json.loads(encode_batch(batch, MINUTE))["apis"] == [list(WEATHER), list(MAPS)]


@given(batches, st.data())
def test_a_truncated_batch_raises_only_batch_unreadable(batch: Batch, data: st.DataObject) -> None:
    value = encode_batch(batch, MINUTE)
    cut = value[: data.draw(st.integers(0, len(value) - 1))]
    with pytest.raises(BatchUnreadable):
        decode_batch(cut, MINUTE)


def _with(position: int, value: object) -> str:
    document = json.loads(encode_batch(Batch([event()], 0), MINUTE))
    document["rows"][0][position] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "null",
        '"text"',
        '{"v":1}',
        '{"v":1,"dropped":0,"apis":[[1,2]],"rows":[]}',
        '{"v":1,"dropped":-1,"apis":[],"rows":[]}',
        '{"v":1,"dropped":0,"apis":[],"rows":[[]]}',
        _with(0, 7),
        _with(0, -1),
        _with(1, 0.5),
        _with(2, "200"),
        _with(3, -1),
        _with(4, None),
        _with(5, 1e300),
        _with(6, "agent:7"),
        _with(6, None),
        _with(9, None),
    ],
)
def test_a_batch_with_invalid_contents_is_unreadable(value: str) -> None:
    with pytest.raises(BatchUnreadable, match="does not parse"):
        decode_batch(value, MINUTE)


def test_the_error_names_the_version_of_a_newer_batch() -> None:
    with pytest.raises(BatchUnreadable, match="version 2; this software reads 1"):
        decode_batch('{"v":2}', MINUTE)


def test_metadata_has_the_sums_of_a_batch() -> None:
    batch = Batch([event(revenue_micros=5), event(counted=False, revenue_micros=7)], 3)
    assert batch_metadata(batch) == {"events": 2, "calls": 1, "revenueMicros": 12, "dropped": 3}
