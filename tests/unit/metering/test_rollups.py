"""Stored totals are read back exactly, and nothing else is ever taken for them."""

from __future__ import annotations

import pytest

from core import constants, keys
from core.errors import StoreUnavailable, SummaryUnreadable
from metering.events import Api
from metering.rollups import (
    Rollup,
    StoredTotals,
    base_of,
    decode_rollup,
    encode_rollup,
    get_rollups,
    put_rollup,
)
from metering.totals import Totals
from tests.support.builders import event
from tests.support.fakes import FakeStore
from tests.support.shard_scene import TODAY, run, text_of, totals_of

KEY = keys.rollup(0, TODAY, 3)


def totals(count: int = 30) -> Totals:
    return totals_of(
        event(api=Api(f"t{number}", "s\u00fc\U0001f600", "", "", 0)) for number in range(count)
    )


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ROLLUP_PIECE_LENGTH_MAX", 1_000)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_totals_decode_to_what_was_encoded(count: int) -> None:
    (piece,) = encode_rollup(KEY, Rollup(totals(count)))
    assert text_of(decode_rollup(KEY, [piece]).totals) == text_of(totals(count))


@pytest.mark.usefixtures("small_pieces")
def test_long_totals_are_split_and_read_in_pieces() -> None:
    store = FakeStore()
    stored = run(put_rollup(store, KEY, Rollup(totals())))
    assert stored.pieces > 3
    assert set(store.values) == set(keys.pieces(*stored))
    assert all(len(value) < 1_500 for value, _ in store.values.values())
    found = run(get_rollups(store, [stored]))[KEY]
    assert isinstance(found, Rollup)
    assert text_of(found.totals) == text_of(totals())


@pytest.mark.usefixtures("small_pieces")
def test_the_first_piece_is_written_last_so_that_it_never_refers_to_a_missing_one() -> None:
    store = FakeStore()
    run(put_rollup(store, KEY, Rollup(totals())))
    assert list(store.values)[-1] == KEY


def test_equal_totals_have_equal_pieces() -> None:
    other = totals(10)
    other.merge(totals_of([event(api=Api("x", "y", "", "", 0))]))
    again = totals_of([event(api=Api("x", "y", "", "", 0))])
    again.merge(totals(10))
    assert encode_rollup(KEY, Rollup(other)) == encode_rollup(KEY, Rollup(again))


def test_a_base_has_the_callers_of_each_category() -> None:
    found = base_of(
        totals_of(
            [
                event(api=Api("t", "a", "", "Data", 0), caller="0a"),
                event(api=Api("t", "b", "", "Data", 0), caller="0b"),
                event(api=Api("t", "c", "", "", 0), caller="0a"),
            ]
        )
    )
    (piece,) = encode_rollup(KEY, found)
    decoded = decode_rollup(KEY, [piece]).directories
    assert {name: sketch.encode() for name, sketch in decoded.items()} == {
        name: sketch.encode() for name, sketch in found.directories.items()
    }
    assert sorted(decoded) == ["APIs", "Data"]


@pytest.mark.usefixtures("small_pieces")
def test_a_change_of_any_piece_is_detected() -> None:
    pieces = encode_rollup(KEY, Rollup(totals()))
    for number, piece in enumerate(pieces):
        for index in range(0, len(piece), 97):
            changed = piece[:index] + chr(ord(piece[index]) ^ 1) + piece[index + 1 :]
            with pytest.raises(SummaryUnreadable):
                decode_rollup(KEY, [*pieces[:number], changed, *pieces[number + 1 :]])


def test_a_piece_of_other_totals_is_not_combined_with_the_first() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ROLLUP_PIECE_LENGTH_MAX", 1_000)
        first, _, *rest = encode_rollup(KEY, Rollup(totals()))
    with pytest.raises(SummaryUnreadable):
        decode_rollup(KEY, [first, "[]", *rest])


@pytest.mark.usefixtures("small_pieces")
def test_missing_and_exchanged_pieces_are_detected() -> None:
    pieces = encode_rollup(KEY, Rollup(totals()))
    for wrong in ([None, *pieces[1:]], [pieces[0], None, *pieces[2:]], pieces[:-1], pieces[::-1]):
        with pytest.raises(SummaryUnreadable):
            decode_rollup(KEY, wrong)


def test_totals_under_another_key_are_not_taken_for_the_wanted_ones() -> None:
    with pytest.raises(SummaryUnreadable, match="is rollup"):
        decode_rollup(keys.rollup(0, TODAY, 4), encode_rollup(KEY, Rollup(totals())))


def test_one_damaged_value_does_not_hide_the_others() -> None:
    store = FakeStore()
    good = run(put_rollup(store, KEY, Rollup(totals())))
    bad = StoredTotals(keys.rollup(0, TODAY, 4), 1)
    found = run(get_rollups(store, [bad, good]))
    assert isinstance(found[bad.key], SummaryUnreadable)
    assert isinstance(found[good.key], Rollup)


def test_an_outage_is_no_damage() -> None:
    store = FakeStore()
    stored = run(put_rollup(store, KEY, Rollup(totals())))
    store.unavailable = True
    with pytest.raises(StoreUnavailable):
        run(get_rollups(store, [stored]))
