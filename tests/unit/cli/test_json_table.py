"""JSON into typed columns, with the line of each value that is wrong."""

import pytest

from cli.errors import InputError
from cli.publish.json_table import read_json


def findings(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as raised:
        read_json(text, "a.json")
    return [(one.line, one.message) for one in raised.value.findings]


def test_columns_are_all_names_in_their_order() -> None:
    table = read_json('[{"a": 1, "b": "x"},\n {"c": true, "a": 2.5}]', "a.json")
    assert [(one.name, one.type, one.is_nullable) for one in table.columns] == [
        ("a", "number", False),
        ("b", "text", True),
        ("c", "boolean", True),
    ]
    assert table.rows == [[1, "x", None], [2.5, None, True]]
    assert list(table.lines) == [1, 2]


def test_days_are_dates_unless_other_text_is_among_them() -> None:
    table = read_json('[{"a": "2024-01-01", "b": "2024-01-01"}, {"a": null, "b": "x"}]', "a.json")
    assert [one.type for one in table.columns] == ["date", "text"]


def test_every_value_that_cannot_be_used_is_told_with_its_line() -> None:
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
        (3, "'nested' holds others: give each a column of its own"),
        (5, "'a' is in this object already"),
        (6, "'list' holds others: give each a column of its own"),
        (7, "it is no object"),
        (8, "'big' is too large for a number in JSON: write it in quotes"),
        (9, "'huge' is too large for a number in JSON: write it in quotes"),
    ]


def test_values_of_several_types_are_told_with_the_lines_of_both() -> None:
    ((line, message),) = findings('[{"a": 1},\n{"a": "x"}]')
    assert (line, message) == (
        1,
        "column 'a' has values of several types: integer (line 1) and text (line 2)",
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
def test_what_is_no_array_of_objects_is_refused(text: str, line: int | None) -> None:
    assert findings(text)[0][0] == line
