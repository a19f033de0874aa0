"""Old event lists are parsed, and all mistakes of an entry are reported at once."""

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.imports.old_event import EventReader, OldEvent
from cli.errors import CommandError, InputError
from cli.legacy.entries import Entry, read_entries
from cli.legacy.events import REFUSED_MAX, OldList, read_list
from cli.legacy.fields import Naming, read_naming
from cli.legacy.spool import EventSpool
from cli.legacy.streamed_json import LENGTH_MAX
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


@dataclass(frozen=True, slots=True)
class Read:
    """A parsed list, and the events that would be sent, by id."""

    old: OldList
    sent: dict[str, dict[str, Any]]

    @property
    def events(self) -> list[OldEvent]:
        """The events as the dispatcher reads them."""
        return [EventReader(NOON_MS).read(record) for record in self.sent.values()]


def read(*values: Any, naming: Naming = NO_NAMES) -> Read:
    entries = [Entry(index, index + 1, value) for index, value in enumerate(values)]
    with EventSpool(keeps_lines=True) as spool:
        old = read_list(entries, naming, NOON_MS, spool)
        sent = [json.loads(line) for line in spool.lines()]
    by_id = {record["id"]: record for record in sent}
    assert len(by_id) == len(sent) == old.events
    return Read(old, by_id)


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in USUAL.items() if name not in names} | changes


def the_event(value: Any, naming: Naming = NO_NAMES) -> Any:
    found = read(value, naming=naming)
    assert not found.old.invalid.count + found.old.unclear.count
    (one,) = found.events
    return one.event


def reasons(value: Any) -> str:
    found = read(value)
    assert not found.sent
    (refused,) = [*found.old.invalid.first, *found.old.unclear.first]
    return "; ".join(refused.reasons)


def test_an_event_has_all_fields() -> None:
    (one,) = read(USUAL).events
    assert (one.own_id, one.caller) == ("req-1", "agent:agent-7")
    assert one.event == (
        "",
        NOON_MS - 29_750,
        ("t-1", "weather", "@alice", "Data", 10_000),
        "GET",
        200,
        42,
        "",
        "served",
        True,
        10_000,
        "",
    )


def test_what_is_sent_is_the_same_event_with_its_id() -> None:
    values = [USUAL, without("requestId"), without("slug", "requestId", endpoint="/t/maps")]
    found = read(*values)
    assert len(found.sent) == 3
    again = read(*found.sent.values())
    assert again.sent.keys() == found.sent.keys()
    assert again.events == found.events


@pytest.mark.parametrize(
    "at",
    [
        NOON_MS,
        float(NOON_MS),
        NOON_MS // 1000,
        NOON_MS / 1000,
        str(NOON_MS),
        str(NOON_MS // 1000),
        "2026-11-22T12:00:00Z",
        "2026-11-22T13:00:00.000+01:00",
    ],
)
@pytest.mark.parametrize("name", ["at", "timestamp", "ts"])
def test_a_time_is_text_with_an_offset_seconds_or_milliseconds(name: str, at: Any) -> None:
    assert the_event(without("timestamp", **{name: at})).at_ms == NOON_MS


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-22T12:00:00",
        "yesterday",
        NOON_MS + 600_000,
        NOON_MS // 1000 + 600,
        NOON_MS // 1_000_000,
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
    old = read(USUAL, {**USUAL, "status": 500}, USUAL).old
    assert (old.events, old.repeated) == (1, 1)
    (refused,) = old.invalid.first
    assert refused.index == 1
    assert "as entry 0" in refused.reasons[0]


def test_equal_events_without_ids_are_all_kept() -> None:
    alike = without("requestId")
    assert len(read(alike, alike, alike).sent) == 3
    assert list(read(alike).sent) == list(read(alike, alike).sent)[:1]


def test_a_derived_id_does_not_depend_on_the_caller() -> None:
    anonymous = without("requestId")
    other = {**anonymous, "callerId": "another caller"}
    assert list(read(anonymous).sent) == list(read(other).sent)


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
        list(read_entries(file))


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_missing_file_is_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(read_entries(tmp_path / name))


@pytest.mark.parametrize("before", [0, 10, 300_000])
def test_a_file_that_is_not_utf_8_is_rejected_at_its_line(tmp_path: Path, before: int) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(b"[" + b"12345,\n" * before + b"\xff]")
    assert mistake(file) == (before + 1, "not UTF-8 text")


def mistake(file: Path) -> tuple[int | None, str]:
    with pytest.raises(InputError, match="is not valid JSON") as refusal:
        list(read_entries(file))
    (finding,) = refusal.value.findings
    assert finding.place == str(file)
    return finding.line, finding.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[1,\n2\n3]", 3, "expected a comma or ]"),
        ("[1,\n2", 2, "expected a comma or ]"),
        ("[1,\n]", 2, "Expecting value"),
        ("[1\n]x", 2, "unexpected text after the end"),
        ('{"events": [],\n"events": []}', 2, '"events" is given twice'),
        ('{"a" 1}', 1, "expected a colon"),
        ("{1: 2}", 1, "expected a quoted name"),
        ('[1,\n{"a":\n nil}]', 3, "Expecting value"),
        ("[\n" + "[" * 200 + "]" * 200 + "]", 2, "nested more than 100 levels deep"),
        ('{"a":' + "[" * 200 + "]" * 200 + "}", 1, "nested more than 100 levels deep"),
        ('[\n"' + "x" * (LENGTH_MAX + 9) + '"]', 2, "a value of more than 1,000,000 characters"),
        ('[\n"' + "x" * 3 * LENGTH_MAX + '"]', 2, "a value of more than 1,000,000 characters"),
        ("[1,\nnil," + "1," * LENGTH_MAX + "]", 2, "Expecting value"),
    ],
)
def test_a_mistake_in_the_json_is_reported_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    file = tmp_path / "events.json"
    file.write_text(text)
    assert mistake(file) == (line, message)


def test_a_file_may_be_much_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    values = [{"n": number, "text": "é\U0001f600\n" * (number % 50)} for number in range(20_000)]
    file = tmp_path / "events.json"
    file.write_text(
        json.dumps({"skipped": values, "events": values, "more": 1}, indent=1, ensure_ascii=False)
    )
    assert file.stat().st_size > 4 * LENGTH_MAX
    text = file.read_text().split("\n")
    found = list(read_entries(file))
    assert [one.value for one in found] == values
    assert all(text[one.line - 1].strip() == "{" for one in found)
    assert all(f'"n": {one.index},' in text[one.line] for one in found)


def test_only_the_first_invalid_entries_are_described() -> None:
    invalid = read(*[7] * (REFUSED_MAX + 5)).old.invalid
    assert (len(invalid.first), invalid.count) == (REFUSED_MAX, REFUSED_MAX + 5)


def test_events_are_sent_by_time() -> None:
    times = [NOON_MS - 1_000 * number for number in (5, 1, 9, 1, 7)]
    found = read(*(without("timestamp", at=at, id=f"e{n}") for n, at in enumerate(times)))
    assert list(found.sent) == ["e2", "e4", "e0", "e1", "e3"]


def test_a_full_temporary_folder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with EventSpool(keeps_lines=True) as spool, spool._lines:
        monkeypatch.setattr(spool, "_lines", FullDisk())
        with pytest.raises(CommandError, match="No space left") as failure:
            spool.add(b"1", b"2", 0, NOON_MS, b"{}\n")
    assert "TMPDIR" in failure.value.advice


class FullDisk:
    def write(self, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass


def test_a_list_inside_another_member_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('{"x": {"events": [1]}, "y": [{"events": [2]}],\n"events": [3, 4]}')
    assert [(one.value, one.line) for one in read_entries(file)] == [(3, 2), (4, 2)]


def test_names_may_be_written_in_any_case_and_with_underscores() -> None:
    renamed = {
        "tenant_id": "t-1",
        "API_ID": "weather",
        "Timestamp": NOON_MS,
        "status_code": 200,
        "latency-ms": 41.6,
        "price_usd": "0.01",
        "billed_usd": "$0.01",
        "caller_id": "agent-7",
        "request_id": "req-1",
    }
    (one,) = read(renamed).events
    assert (one.own_id, one.caller) == ("req-1", "agent:agent-7")
    assert (one.event.revenue_micros, one.event.latency_ms) == (10_000, 42)


@pytest.mark.parametrize("order", [1, -1])
def test_the_final_entry_of_a_request_counts_in_any_order(order: int) -> None:
    pending = {**USUAL, "lifecycle": "payment_pending"}
    final = {**USUAL, "lifecycle": "payment_settled"}
    old = read(*[pending, final][::order]).old
    assert (old.events, old.invalid.count, old.unclear.count, old.left_out.count) == (1, 0, 0, 1)
    assert "a later entry has the outcome" in old.left_out.first[0].reasons[0]


def test_a_request_without_a_final_entry_is_left_out() -> None:
    old = read({**USUAL, "lifecycle": "payment_pending", "revenueUsd": 0}).old
    assert (old.events, old.unclear.count, old.left_out.count) == (0, 0, 1)


@pytest.mark.parametrize("caller", ["", "unknown", "Anonymous", "id_unknown", "n/a", "-", "null"])
def test_an_unknown_caller_is_no_caller(caller: str) -> None:
    found = read({**USUAL, "callerId": caller})
    assert [one.caller for one in found.events] == [""]
    assert found.old.unknown_callers == 1


def test_hashed_callers_are_noticed() -> None:
    values = [{**USUAL, "requestId": name, "callerId": name} for name in ("id_0000ab12", "ann")]
    assert read(*values).old.hashed_callers == 1


def test_fields_without_a_place_are_counted() -> None:
    old = read({**USUAL, "billable": True, "region": "x"}, {**USUAL, "region": "y"}).old
    assert old.unused == {"billable": 1, "region": 2}
