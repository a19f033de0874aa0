"""A reader that has a part gets exactly the APIs that changed, however large the part is."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from core import constants
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.events import Api
from metering.parts import (
    Changes,
    OpenPart,
    PartName,
    changes_since,
    closed,
    decode_part,
    encode_part,
)
from metering.totals import decode_apis
from tests.support.builders import event
from tests.support.shard_scene import TODAY, some_events, text_of, totals_of


def part_with(*changes: tuple[str, int], number: int = 0) -> OpenPart:
    """Build a part with an event of an API at each position."""
    part = OpenPart(PartName(TODAY, number), 1_000)
    for slug, position in changes:
        part.add_all([event(api=Api("t", slug, "", "", 0))], position)
    return part


def rows(changes: Changes) -> dict[tuple[int, int], list[str]]:
    found: dict[tuple[int, int], list[str]] = {}
    for text in changes.parts:
        day, number, _, apis = json.loads(text)
        found[day, number] = [slug for _, slug, _ in apis]
    return found


def known(parts: Iterable[OpenPart]) -> dict[PartName, None]:
    return {part.name: None for part in parts}


def test_a_new_reader_gets_everything() -> None:
    changes = changes_since([part_with(("a", 1), ("b", 2))], 0, {}, 9)
    assert (changes.position, changes.is_all) == (9, True)
    assert rows(changes) == {(TODAY, 0): ["a", "b"]}


def test_a_reader_gets_only_what_changed_since_its_position() -> None:
    part = part_with(("a", 1), ("b", 2), ("a", 3))
    assert rows(changes_since([part], 2, known([part]), 3)) == {(TODAY, 0): ["a"]}


def test_a_part_is_listed_even_if_nothing_changed() -> None:
    part = part_with(("a", 1))
    assert rows(changes_since([part], 1, known([part]), 1)) == {(TODAY, 0): []}


def test_a_part_that_the_reader_lacks_is_complete_whatever_the_position() -> None:
    old, new = part_with(("a", 1)), part_with(("b", 2), number=1)
    changes = changes_since([old, new], 5, known([old]), 5)
    assert rows(changes) == {(TODAY, 0): [], (TODAY, 1): ["b"]}


def test_an_event_without_an_api_changes_no_row() -> None:
    part = part_with()
    part.add_all([event(api=None)], 1)
    assert rows(changes_since([part], 0, {}, 1)) == {(TODAY, 0): []}


@pytest.mark.parametrize("is_appending", [False, True])
def test_pages_together_have_every_row_also_while_events_arrive(
    monkeypatch: pytest.MonkeyPatch, is_appending: bool
) -> None:
    monkeypatch.setattr(constants, "SHARD_READ_LENGTH_MAX", 1_000)
    part = part_with(*((f"s{number:02}", 1 + number // 3) for number in range(40)))
    copy: dict[str, Json] = {}
    names: dict[PartName, None] = {}
    position, now, pages = 0, 20, 0
    while True:
        changes = changes_since([part], position, names, now)
        for text in changes.parts:
            copy |= {slug: encoded for _, slug, encoded in json.loads(text)[3]}
        position, names, pages = changes.position, known([part]), pages + 1
        if changes.is_all:
            break
        if is_appending and pages < 5:
            now += 1
            part.add_all([event(api=Api("t", f"s{pages:02}", "", "", 0))], now)
    assert pages > 3
    assert position == now
    assert copy == {row[1]: row[2] for row in map(part.row, part.totals.apis)}


def test_rows_of_one_position_are_on_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "SHARD_READ_LENGTH_MAX", 10)
    part = part_with(("a", 1), ("b", 1), ("c", 2))
    changes = changes_since([part], 0, {}, 2)
    assert (changes.position, changes.is_all) == (1, False)
    assert rows(changes) == {(TODAY, 0): ["a", "b"]}


def test_a_part_decodes_to_what_was_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CHECKPOINT_LENGTH_MAX", 1_000)
    part = part_with(*((f"\u4e2d{number}", number) for number in range(30)), number=4)
    part.totals.dropped = 3
    texts = encode_part(part)
    assert len(texts) > 3
    assert all(text.isascii() for text in texts)
    decoded = decode_part(texts)
    assert (decoded.name, decoded.opened_ms) == (part.name, 1_000)
    assert decoded.changed == part.changed
    assert text_of(decoded.totals) == text_of(part.totals)


@pytest.mark.parametrize(
    "texts", [[], [""], ["[]"], ["[1,[20000,1],[]]"], ["[1,[20000,1,[0,[],[]]],[5]]"], ["null"]]
)
def test_an_unreadable_part_is_reported(texts: list[str]) -> None:
    with pytest.raises(SummaryUnreadable):
        decode_part(texts)


def test_a_truncated_part_is_reported() -> None:
    texts = encode_part(part_with(("a", 1), ("b", 2)))
    with pytest.raises(SummaryUnreadable):
        decode_part(texts[:-1])


def test_a_closed_part_has_the_busiest_hour_of_the_whole_day() -> None:
    early, late = some_events(TODAY, 40), some_events(TODAY, 10)
    whole = totals_of([*early, *late])
    found = closed(totals_of(late), whole, TODAY + 1)
    found.merge(closed(totals_of(early), totals_of(early), TODAY + 1))
    whole.close_days(TODAY + 1)
    assert text_of(found) == text_of(whole)


def test_a_row_decodes_to_the_totals_of_its_api() -> None:
    part = part_with(("a", 1))
    (api_id,) = part.totals.apis
    assert decode_apis([json.loads(json.dumps(part.row(api_id)))]) == part.totals.apis
