"""Old event lists are parsed, and all mistakes of an entry are reported at once."""

from pathlib import Path
from typing import Any

import pytest

from cli.errors import InputError
from cli.legacy.batches import OldList, batches, caller_hashes, read_list
from cli.legacy.entries import Entry, read_entries
from cli.legacy.fields import Naming, read_naming
from core import keys
from metering.events import decode_batch
from tests.support.fakes import NOON_MS

USUAL = {
    "tenantId": "t-1",
    "slug": "weather",
    "owner": "@alice",
    "directory": "Data",
    "timestamp": "2026-11-22T11:59:30.250Z",
    "status": 200,
    "latencyMs": 41.6,
    "priceUsd": 0.01,
    "revenueUsd": "0.01",
    "callerId": "agent-7",
    "requestId": "req-1",
}
NO_NAMES = Naming({})


def read(*values: Any, naming: Naming = NO_NAMES) -> OldList:
    entries = [Entry(index, index + 1, value) for index, value in enumerate(values)]
    return read_list(entries, naming, NOON_MS)


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in USUAL.items() if name not in names} | changes


def the_event(value: Any, naming: Naming = NO_NAMES) -> Any:
    old = read(value, naming=naming)
    assert not old.refused
    (one,) = old.events.values()
    return one.old.event


def reasons(value: Any) -> str:
    old = read(value)
    assert not old.events
    (refused,) = old.refused
    return "; ".join(refused.reasons)


def test_an_event_becomes_a_batch_with_its_caller_hashed() -> None:
    (one,) = read(USUAL).events.values()
    callers = caller_hashes("secret")
    (pair,) = batches([one], callers)
    minute = keys.parse_usage_batch(pair["key"]).minute
    (event,) = decode_batch(pair["value"], minute).events
    assert pair["key"].startswith("usage/7973-01-09T12:00/legacy-")
    assert pair["metadata"] == {"events": 1, "calls": 1, "revenueMicros": 10_000, "dropped": 0}
    assert pair["expiration_ttl"] == 40 * 86_400
    assert event == (
        "req-1",
        NOON_MS - 29_750,
        ("t-1", "weather", "@alice", "Data", 10_000),
        "GET",
        200,
        42,
        callers.hash("agent:agent-7"),
        "served",
        True,
        10_000,
    )


@pytest.mark.parametrize(
    "at", [NOON_MS, float(NOON_MS), "2026-11-22T12:00:00Z", "2026-11-22T13:00:00.000+01:00"]
)
@pytest.mark.parametrize("name", ["at", "timestamp", "ts"])
def test_a_time_is_text_with_an_offset_or_milliseconds(name: str, at: Any) -> None:
    assert the_event(without("timestamp", **{name: at})).at_ms == NOON_MS


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-22T12:00:00",
        "yesterday",
        NOON_MS // 1000,
        NOON_MS + 600_000,
        True,
        float("nan"),
        "",
    ],
)
def test_an_ambiguous_or_invalid_time_is_rejected(at: Any) -> None:
    assert "at must be" in reasons(without("timestamp", at=at))


def test_the_slug_is_taken_from_an_endpoint() -> None:
    assert the_event(without("slug", endpoint="/t/weather/today?x=1")).api.slug == "weather"


def test_missing_fields_get_their_defaults() -> None:
    event = the_event({"tenantId": "t-1", "slug": "weather", "at": NOON_MS, "status": 200})
    assert (event.api.owner, event.api.directory, event.api.price_micros) == ("", "", 0)
    assert (event.latency_ms, event.revenue_micros, event.counted) == (0, 0, True)


@pytest.mark.parametrize(
    ("changes", "outcome", "counted"),
    [
        ({"status": 402, "revenueUsd": 0}, "payment_required", False),
        ({"status": 402}, "served", True),
        ({"status": 429, "outcome": "rate_limited", "revenueUsd": None}, "rate_limited", False),
        ({"status": 429, "revenueUsd": 0}, "served", True),
        ({"counted": False, "revenueUsd": 0}, "refused", False),
        ({"outcome": "tenant_worker_failure", "status": 502}, "tenant_worker_failure", True),
    ],
)
def test_a_request_that_was_refused_before_dispatch_is_not_a_call(
    changes: dict[str, Any], outcome: str, counted: bool
) -> None:
    event = the_event({**USUAL, **changes})
    assert (event.outcome, event.counted) == (outcome, counted)


def test_other_field_names_can_be_mapped_also_nested_ones() -> None:
    naming = read_naming(["response.code=status", "usd=revenueUsd"])
    value = without("status", usd="0.25", response={"code": 503})
    event = the_event(value, naming)
    assert (event.status, event.revenue_micros) == (503, 250_000)


def test_all_invalid_mappings_are_reported() -> None:
    with pytest.raises(InputError) as refusal:
        read_naming(["status", "a=colour", "b=status", "c=status"])
    assert len(refusal.value.findings) == 3


def test_all_mistakes_of_an_entry_are_reported_at_once() -> None:
    told = reasons(
        {"slug": "Weather!", "at": "?", "status": "200", "latencyMs": -1, "priceUsd": -1}
    )
    for name in ("slug", "tenantId", "at", "status", "latencyMs", "priceUsd"):
        assert f"{name} " in told


@pytest.mark.parametrize("value", [None, 3, "event", [], {}])
def test_an_entry_that_is_not_an_event_is_rejected(value: Any) -> None:
    assert reasons(value)


def test_a_repeated_id_with_different_content_is_rejected() -> None:
    old = read(USUAL, {**USUAL, "status": 500}, USUAL)
    assert (len(old.events), old.repeated) == (1, 1)
    (refused,) = old.refused
    assert refused.entry.index == 1
    assert "as entry 0" in refused.reasons[0]


def test_equal_events_without_ids_are_all_kept() -> None:
    alike = without("requestId")
    assert len(read(alike, alike, alike).events) == 3
    assert list(read(alike).events) == list(read(alike, alike).events)[:1]


def test_a_key_does_not_depend_on_the_caller() -> None:
    anonymous = without("requestId")
    other = {**anonymous, "callerId": "another caller"}
    assert list(read(anonymous).events) == list(read(other).events)


@pytest.mark.parametrize("wrapped", [False, True])
def test_each_entry_has_its_line(tmp_path: Path, wrapped: bool) -> None:
    lines = ['[{"a": 1},', ' {"b": [2,', "   3]},", "", "7]"]
    text = "\n".join(lines)
    file = tmp_path / "events.json"
    file.write_text(f'\ufeff{{"note": [1],\n "events": {text}, "more": {{}}}}' if wrapped else text)
    shift = 1 if wrapped else 0
    assert [(one.index, one.line - shift) for one in read_entries(file)] == [(0, 1), (1, 2), (2, 5)]


@pytest.mark.parametrize(
    "text", ["", "{", '{"event": []}', '{"events": {}}', "3", '"[]"', "[" * 100_000]
)
def test_a_file_without_an_event_list_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "events.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"events\.json"):
        read_entries(file)


def test_a_missing_or_binary_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    for name in ("missing.json", "bytes.json"):
        with pytest.raises(InputError, match="cannot be read"):
            read_entries(tmp_path / name)


def test_the_last_of_several_lists_is_used(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('{"x": {"events": [1]}, "events": [2],\n"events": [3, 4]}')
    assert [(one.value, one.line) for one in read_entries(file)] == [(3, 2), (4, 2)]
