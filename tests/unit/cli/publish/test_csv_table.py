"""CSV becomes typed columns, and all mistakes of a file are reported at once."""

import pytest

from cli.errors import InputError
from cli.publish.data.csv_table import read_csv
from cli.publish.data.options import Reading
from cli.publish.validation import FINDINGS_MAX


def types(text: str) -> list[str]:
    return [column.type for column in read_csv(text, "a.csv", Reading()).columns]


def findings(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as raised:
        read_csv(text, "a.csv", Reading())
    return [(one.line, one.message) for one in raised.value.findings]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "0"], "integer"),
        (["1", "2.5", "1e3"], "number"),
        (["true", "FALSE"], "boolean"),
        (["2024-02-29", "1999-12-31"], "date"),
        (["2023-02-29"], "text"),
        (["007"], "text"),
        (["9007199254740991"], "integer"),
        (["9007199254740993"], "text"),
        (["NaN"], "text"),
        (["1e999"], "text"),
        (["inf"], "text"),
        (["1_000"], "text"),
        (["١٢"], "text"),
        (["1", "x"], "text"),
        (["1", ""], "integer"),
        (["", ""], "null"),
        (["true", "1"], "text"),
    ],
)
def test_a_column_has_the_first_type_that_all_its_cells_fit(
    cells: list[str], expected: str
) -> None:
    assert types("a,b\n" + "".join(f"{cell},x\n" for cell in cells))[0] == expected


def test_an_empty_cell_is_null() -> None:
    table = read_csv("a,b\n1,\n,x\n", "a.csv", Reading())
    assert table.rows == [[1, None], [None, "x"]]
    assert [column.is_nullable for column in table.columns] == [True, True]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected(delimiter: str) -> None:
    text = f'a{delimiter}"b,;|\t"\r\n1{delimiter}2\r\n'
    with_name = text.replace('"b,;|\t"', "b")
    assert read_csv(with_name, "a.csv", Reading()).rows == [[1, 2]]


def test_a_given_delimiter_is_used() -> None:
    assert read_csv("a:b\n1:2\n", "a.csv", Reading(delimiter=":")).rows == [[1, 2]]


def test_findings_have_the_lines_of_the_file() -> None:
    text = 'a,b\n"one\ntwo\nthree",2\n\nx,y,z\np\n'
    assert findings(text) == [
        (
            6,
            (
                "3 cells; the header has 2: 'z' has no column; a cell with the delimiter must be "
                "quoted, or leave the row out with --skip 6"
            ),
        ),
        (
            7,
            (
                "1 cell; the header has 2: fill short rows with --fill, or leave the row out with "
                "--skip 7"
            ),
        ),
    ]


def test_column_names_must_be_valid() -> None:
    found = findings('-b,"c,d","x[1]"\n1,2,3\n')
    assert [line for line, _ in found] == [1] * 3
    assert all("--rename" in message for _, message in found)


def test_a_misplaced_quote_is_reported_with_its_line() -> None:
    ((line, message),) = findings('a,b\n1,2\n"x"y,3\n')
    assert (line, message.startswith("invalid CSV")) == (3, True)
    ((line, message),) = findings('a,b\n1,"open\nand on')
    assert (line, message.startswith("invalid CSV")) == (2, True)


@pytest.mark.parametrize("text", ["", "a,b\n"])
def test_a_file_without_rows_is_rejected(text: str) -> None:
    assert findings(text)


def test_only_the_first_mistakes_are_listed_and_all_are_counted() -> None:
    with pytest.raises(InputError, match="100 mistakes") as raised:
        read_csv("a,b\n" + "1\n" * 100, "a.csv", Reading())
    assert len(raised.value.findings) == FINDINGS_MAX
    first = raised.value.findings[0]
    assert (first.place, first.line) == ("a.csv", 2)
