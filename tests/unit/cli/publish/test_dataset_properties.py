"""Any file is served with exactly its values, or rejected with an `InputError`."""

import csv
import io
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cli.errors import InputError
from cli.publish.data.csv_table import read_csv
from cli.publish.data.json_table import read_json
from cli.publish.data.numbers import SAFE_LENGTH, number_of, plain
from cli.publish.data.options import Reading
from cli.publish.data.table import Table
from cli.publish.scripts.dataset import dataset_bundle

CSV = st.lists(
    st.sampled_from(["a", "b", "1", "2.5", '"', ",", ";", "\n", "\r\n", " ", "é", "true", "", "-"]),
    max_size=40,
).map("".join)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text("aé1\ud800-", max_size=5),
    st.just([1]),
    st.just({"a": {"b": 1}}),
)
READINGS = st.builds(
    Reading,
    nested=st.sampled_from([None, "flatten", "keep"]),
    fills=st.booleans(),
    has_quotes=st.booleans(),
    decimal=st.sampled_from([None, ",", "."]),
    dates=st.sampled_from([None, "DMY", "MDY", "YMD"]),
    empty=st.sampled_from([frozenset[str](), frozenset({"a"})]),
    types=st.sampled_from([{}, {"a": "text"}, {"a": "json"}, {"a": "number"}]),
)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=4)


def served(table: Table) -> list[list[object]]:
    """Return the rows that the script serves."""
    bundle = dataset_bundle(table, title="", description="", id_column=None, cache_control="")
    text = next(one.content for one in bundle.modules if one.name == "rows.txt")
    rows: list[list[object]] = json.loads(text)
    return rows


@given(CSV, READINGS)
def test_csv_is_served_as_read_or_rejected(text: str, reading: Reading) -> None:
    try:
        table = read_csv(text, "a.csv", reading)
    except InputError:
        return
    assert served(table) == table.rows
    assert len(table.lines) == len(table.rows)


@given(
    ROWS, st.integers(0, 80), st.sampled_from(["", "{", "]", '"', ",", "x", "\\ud800"]), READINGS
)
def test_json_is_served_as_read_or_rejected(
    rows: list[dict[str, object]], at: int, put: str, reading: Reading
) -> None:
    text = json.dumps(rows)
    changed = text[:at] + put + text[at:]
    try:
        table = read_json(changed, "a.json", reading)
        assert served(table) == table.rows
    except InputError:
        return


CELLS = st.one_of(
    st.none(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.text('abü\n",; ', min_size=1, max_size=6).map(str.strip).filter(bool),
)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(",;\t|"))
def test_what_was_exported_is_read_back(rows: list[tuple[object, ...]], delimiter: str) -> None:
    exported = io.StringIO()
    writer = csv.writer(exported, delimiter=delimiter)
    writer.writerows([("id", "a", "b", "c"), *((7, *row) for row in rows)])
    reading = Reading(delimiter=delimiter, types=dict.fromkeys("abc", "text"))
    table = read_csv(exported.getvalue(), "a.csv", reading)
    assert table.rows == [[7, *(None if one is None else str(one) for one in row)] for row in rows]
    typed = read_csv(exported.getvalue(), "a.csv", Reading(delimiter=delimiter))
    for index, column in enumerate(typed.columns[1:]):
        for read, written in zip(typed.rows, rows, strict=True):
            value, original = read[index + 1], written[index]
            assert value == original or (column.type == "text" and value == str(original))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2), st.sampled_from([",", "."]))
def test_a_number_is_read_as_it_was_or_not_at_all(value: Decimal, decimal: str) -> None:
    english = f"{value:,}"
    swap = {",": ".", ".": ","}
    text = english if decimal == "." else "".join(swap.get(one, one) for one in english)
    read = number_of(plain(text, decimal))
    assert read is None or Decimal(repr(read)) == value
    if len(english) <= SAFE_LENGTH:
        assert read is not None
