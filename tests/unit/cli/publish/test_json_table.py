"""JSON becomes typed columns, and each invalid value is reported with its line."""

import pytest

from cli.errors import InputError
from cli.publish.data.json_table import read_json


def findings(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as raised:
        read_json(text, "a.json")
    return [(one.line, one.message) for one in raised.value.findings]


def test_columns_are_the_names_of_all_objects_in_order() -> None:
    table = read_json('[{"a": 1, "b": "x"},\n {"c": true, "a": 2.5}]', "a.json")
    assert [(one.name, one.type, one.is_nullable) for one in table.columns] == [
        ("a", "number", False),
        ("b", "text", True),
        ("c", "boolean", True),
    ]
    assert table.rows == [[1, "x", None], [2.5, None, True]]
    assert list(table.lines) == [1, 2]


def test_a_column_of_days_is_a_date_column() -> None:
    table = read_json('[{"a": "2024-01-01", "b": "2024-01-01"}, {"a": null, "b": "x"}]', "a.json")
    assert [one.type for one in table.columns] == ["date", "text"]


def test_every_invalid_value_is_reported_with_its_line() -> None:
    text = """[
 {"a": 1,
  "nested": {"x": 1}},
 {"a": 2,
  "a": 3,
  "list": [1]},
 7,
 {"big": 9007199254740993},
 {"huge": 1e999}
]"""
    assert findings(text) == [
        (3, "'nested' is not a single value: use a column for each of its values"),
        (5, "'a' is repeated in this object"),
        (6, "'list' is not a single value: use a column for each of its values"),
        (7, "not an object"),
        (8, "'big' is too large for a number in JSON: write it as text"),
        (9, "'huge' is too large for a number in JSON: write it as text"),
    ]


def test_different_types_in_a_column_are_reported_with_both_lines() -> None:
    ((line, message),) = findings('[{"a": 1},\n{"a": "x"}]')
    assert (line, message) == (
        1,
        "column 'a' has values of different types: integer (line 1) and text (line 2)",
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{}", 1),
        ('[{"a": 1}\n{"a": 2}]', 2),
        ('[{"a": 1},\n{"a": }]', 2),
        ('[{"a": 1}]\nmore', 2),
        ('[{"a": NaN}]', 1),
        ('[{"a": 1},\n\n', 3),
        ("[" * 100_000, 1),
        ("[]", None),
        ("[{}]", None),
    ],
)
def test_anything_but_an_array_of_objects_is_rejected(text: str, line: int | None) -> None:
    assert findings(text)[0][0] == line
