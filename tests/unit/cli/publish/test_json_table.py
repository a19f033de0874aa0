"""JSON becomes typed columns, and each invalid value is reported with its line."""

import pytest

from cli.errors import InputError
from cli.publish.data.json_table import read_json
from cli.publish.data.options import Reading


def findings(text: str, reading: Reading | None = None) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as raised:
        read_json(text, "a.json", reading or Reading())
    return [(one.line, one.message) for one in raised.value.findings]


def test_columns_are_the_names_of_all_objects_in_order() -> None:
    table = read_json('[{"a": 1, "b": "x"},\n {"c": true, "a": 2.5}]', "a.json", Reading())
    assert [(one.name, one.type, one.is_nullable) for one in table.columns] == [
        ("a", "number", False),
        ("b", "text", True),
        ("c", "boolean", True),
    ]
    assert table.rows == [[1, "x", None], [2.5, None, True]]
    assert list(table.lines) == [1, 2]


def test_a_column_of_days_is_a_date_column() -> None:
    table = read_json(
        '[{"a": "2024-01-01", "b": "2024-01-01"}, {"a": null, "b": "x"}]', "a.json", Reading()
    )
    assert [one.type for one in table.columns] == ["date", "text"]


def test_every_invalid_value_is_reported_with_its_line() -> None:
    text = """[
 {"a": 1,
  "nested": {"x": 1}},
 {"a": 2,
  "list": [1]},
 {"big": 9007199254740993},
 {"huge": 1e999},
 {"long": 1.00000000000000000001}
]"""
    lost = "which a number in JSON does not preserve: keep it as text with --type"
    assert findings(text) == [
        (
            3,
            (
                """'nested' is an object, {"x": 1}: --nested flatten makes columns such as """
                "nested.x, --nested keep keeps it as JSON in one column"
            ),
        ),
        (
            5,
            (
                "'list' is an array, [1]: --nested flatten and --nested keep both keep it as JSON "
                "in one column"
            ),
        ),
        (
            6,
            f"'big' is 9007199254740993, {lost} big=text, or round it with --type big=number",
        ),
        (7, f"'huge' is Infinity, {lost} huge=text, or round it with --type huge=number"),
        (
            8,
            (
                f"'long' is 1.00000000000000000001, {lost} long=text, or round it with --type "
                "long=number"
            ),
        ),
    ]


def test_what_is_no_row_and_repeated_names_are_reported_with_their_line() -> None:
    assert findings('[{"a": 2,\n"a": 3},\n7]') == [
        (2, "'a' is repeated in this object"),
        (3, "not an object: 7"),
    ]


def test_different_types_in_a_column_are_reported_with_their_lines_and_options() -> None:
    ((line, message),) = findings('[{"a": 1},\n{"a": "n/a"}]')
    assert (line, message) == (
        1,
        (
            "column 'a' has values of different types: integer (line 1: 1) and text (line 2: "
            '"n/a"); add --type a=text or --type a=json, or --empty n/a if that means no value'
        ),
    )


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (Reading(empty=frozenset({"n/a"})), ("integer", [1, None])),
        (Reading(types={"a": "text"}), ("text", ["1", "n/a"])),
        (Reading(types={"a": "json"}), ("json", [1, "n/a"])),
    ],
)
def test_each_option_that_is_offered_for_different_types_reads_them(
    reading: Reading, expected: tuple[str, list[object]]
) -> None:
    table = read_json('[{"a": 1}, {"a": "n/a"}]', "a.json", reading)
    assert (table.columns[0].type, [row[0] for row in table.rows]) == expected


def test_flattened_objects_become_columns_and_a_null_object_is_null_in_each() -> None:
    text = '[{"at": {"lat": 1, "of": {"x": "y"}}, "tags": ["a"]}, {"at": null, "tags": []}]'
    table = read_json(text, "a.json", Reading(nested="flatten"))
    assert [(one.name, one.type) for one in table.columns] == [
        ("at.lat", "integer"),
        ("at.of.x", "text"),
        ("tags", "json"),
    ]
    assert table.rows == [[1, "y", ["a"]], [None, None, []]]


def test_kept_values_are_unchanged_and_checked() -> None:
    text = '[{"a": {"b": [1, 2.5, "x"]}}, {"a": 7}]'
    table = read_json(text, "a.json", Reading(nested="keep"))
    assert table.columns[0].type == "json"
    assert table.rows == [[{"b": [1, 2.5, "x"]}], [7]]
    ((line, message),) = findings(
        '[{"a": [1]},\n{"a": [9007199254740993]}]', Reading(nested="keep")
    )
    assert (line, "9007199254740993" in message) == (2, True)


def test_an_empty_text_is_no_number_and_can_mean_no_value() -> None:
    text = '[{"a": "5"}, {"a": ""}]'
    ((_, message),) = findings(text, Reading(types={"a": "number"}))
    assert message == ("""column a: "" is not a number; if it means no value, add --empty ''""")
    reading = Reading(types={"a": "number"}, empty=frozenset({""}))
    assert read_json(text, "a.json", reading).rows == [[5], [None]]


def test_two_values_for_one_flattened_column_are_rejected() -> None:
    ((line, message),) = findings('[{"a": {"b": 1}, "a.b": 2}]', Reading(nested="flatten"))
    assert (line, message) == (1, "'a.b' is both a name and the path of a nested value")


@pytest.mark.parametrize(
    ("text", "at", "rows"),
    [
        ('{"data": [{"a": 1}], "n": 1}', "data", [[1]]),
        ('{"x": {"y.z": [0, [{"a": 1}]]}}', "x.y.z.1", [[1]]),
        ('{"ZRH": {"a": 1}, "GVA": {"a": 2}}', ".", [["ZRH", 1], ["GVA", 2]]),
        ('{"values": [["a", "b"], [1, 2], [3]]}', "values", [[1, 2], [3, None]]),
        ('{"a": 1}\n{"a": 2}\n', None, [[1], [2]]),
        ('{"a": 1}{"a": 2}', None, [[1], [2]]),
    ],
)
def test_rows_are_found_at_a_path_and_in_lines(
    text: str, at: str | None, rows: list[list[object]]
) -> None:
    assert read_json(text, "a.json", Reading(at=at)).rows == rows


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ('{"data": [{"a": 1}], "more": {"x": [{}, {}]}}', "--at more.x (2 rows), or --at data"),
        ('{"a": {"b": 1}}', "--at ."),
        ('{"a": 1}', "without an array of objects"),
    ],
)
def test_where_the_rows_may_be_is_offered(text: str, offer: str) -> None:
    assert offer in findings(text)[0][1]


def test_a_path_without_rows_is_reported_with_what_there_is() -> None:
    ((_, message),) = findings('{"data": {"items": 1}}', Reading(at="data.rows"))
    assert message.endswith("there is no 'rows' (--at data.rows); there is items")
    ((_, message),) = findings('{"data": 1}', Reading(at="data"))
    assert message.endswith("no array at data")


def test_dates_and_numbers_in_texts_are_read_as_the_options_say() -> None:
    text = '[{"d": "31.12.1953", "n": "1.234,5"}, {"d": "01.02.2000", "n": null}]'
    table = read_json(text, "a.json", Reading())
    assert [one.type for one in table.columns] == ["text", "text"]
    assert table.notes == ["Add --dates DMY to read d as date."]
    reading = Reading(dates="DMY", decimal=",", types={"n": "number"})
    assert read_json(text, "a.json", reading).rows == [["1953-12-31", 1234.5], ["2000-02-01", None]]


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
