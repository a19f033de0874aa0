"""Any file is either served with exactly its values, or rejected with an `InputError`."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cli.errors import InputError
from cli.publish.data.csv_table import read_csv
from cli.publish.data.json_table import read_json
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
)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=4)


def served(table: Table) -> list[list[object]]:
    """Return the rows that the script serves."""
    bundle = dataset_bundle(table, title="", description="", id_column=None, cache_control="")
    text = next(one.content for one in bundle.modules if one.name == "rows.txt")
    rows: list[list[object]] = json.loads(text)
    return rows


@given(CSV)
def test_csv_is_served_unchanged_or_rejected(text: str) -> None:
    try:
        table = read_csv(text, "a.csv")
    except InputError:
        return
    assert served(table) == table.rows
    assert len(table.lines) == len(table.rows)


@given(ROWS, st.integers(0, 80), st.sampled_from(["", "{", "]", '"', ",", "x", "\\ud800"]))
def test_json_is_served_unchanged_or_rejected(
    rows: list[dict[str, object]], at: int, put: str
) -> None:
    text = json.dumps(rows)
    changed = text[:at] + put + text[at:]
    try:
        table = read_json(changed, "a.json")
        assert served(table) == table.rows
    except InputError:
        return
