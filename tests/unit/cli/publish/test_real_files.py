"""Files as spreadsheets, databases and APIs export them: what is read, noted, and offered."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.errors import InputError
from cli.publish.data import text_file
from cli.publish.data.options import DatasetOptions
from cli.publish.data.table import Table
from cli.publish.scripts.dataset import read_table

EXCEL_DE = (
    "\ufeffCode;Name;Opened;Price;;\r\nZRH;Zürich;31.12.1953;1,25;;\r\n"
    'GVA;Genève;15.01.1920;n/a;;\r\nBSL;"Basel; Mulhouse";08.05.1946;1.234,50;;\r\n'
)
EXCEL_US = (
    "sep=,\r\nItem,Price,Date,Share,Active\r\n"
    'A,"$1,234.50",1/15/2024,12.5%,TRUE\r\nB,$3.00,12/31/2024,3%,FALSE\r\n'
)
EXCEL_FR = "nom;prix;actif\nÀ;1\u202f234,50 €;VRAI\nB;2,00 €;FAUX\n"
REPORT = "Report 2024\n\n# by X\nid,name\n1,a\n2,b\nTotal,\n"
GEOJSON = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "x"}, '
    '"geometry": {"type": "Point", "coordinates": [8.5, 47.4]}}]}'
)


@dataclass(frozen=True, slots=True)
class File:
    """A file, the options it is read with, and what is expected."""

    name: str
    content: str
    options: DatasetOptions = field(default_factory=DatasetOptions)
    types: str = ""
    rows: list[list[object]] = field(default_factory=list)
    notes: tuple[str, ...] = ()


READ = [
    File(
        "excel-de.csv",
        EXCEL_DE,
        types="text text text text",
        rows=[["ZRH", "Zürich", "31.12.1953", "1,25"]],
        notes=(
            "Columns 5, 6 have neither name nor values, and have been left out.",
            "Add --dates DMY --decimal , --empty n/a to read Opened as date and Price as number.",
        ),
    ),
    File(
        "excel-de-with-options.csv",
        EXCEL_DE,
        DatasetOptions(dates="DMY", decimal=",", empty=["n/a"]),
        "text text date number",
        [
            ["ZRH", "Zürich", "1953-12-31", 1.25],
            ["GVA", "Genève", "1920-01-15", None],
            ["BSL", "Basel; Mulhouse", "1946-05-08", 1234.5],
        ],
    ),
    File(
        "excel-us.csv",
        EXCEL_US,
        DatasetOptions(dates="mdy", decimal="."),
        "text number date number boolean",
        [["A", 1234.5, "2024-01-15", 12.5, True]],
        ("Price has numbers without their sign $.", "Share has numbers without their sign %."),
    ),
    File(
        "excel-us-without-options.csv",
        EXCEL_US,
        types="text text text number boolean",
        notes=("Add --decimal . --dates MDY to read Price as number and Date as date.",),
    ),
    File(
        "excel-fr.csv",
        EXCEL_FR,
        DatasetOptions(decimal=","),
        "text number boolean",
        [["À", 1234.5, True]],
        ("actif is boolean: VRAI is true.",),
    ),
    File(
        "ambiguous.csv",
        'd,n\n01/02/2024,"1,234"\n',
        types="text text",
        notes=(
            (
                "To read d as date, add --dates DMY if 01/02/2024 is 2024-02-01, or --dates MDY if "
                "01/02/2024 is 2024-01-02."
            ),
            (
                "To read n as number, add --decimal , if 1,234 is 1.234, or --decimal . if 1,234 "
                "is 1234."
            ),
        ),
    ),
    File(
        "indian.csv",
        'n\n"12,34,567.89"\n',
        DatasetOptions(decimal="."),
        "number",
        [[1234567.89]],
    ),
    File("swiss.csv", "n\n1'234.50\n", DatasetOptions(decimal="."), "number", [[1234.5]]),
    File(
        "accounting.csv",
        "a,b\n(5.00),\u22123\n5-,2\n",
        DatasetOptions(decimal="."),
        "number integer",
        [[-5.0, -3], [-5.0, 2]],
    ),
    File(
        "libreoffice.csv",
        '"a";"b"\n"1";"x\ny"\n',
        types="integer text",
        rows=[[1, "x\ny"]],
    ),
    File(
        "pandas.csv",
        ",a,b\n0,1.0,True\n1,,False\n",
        types="integer number boolean",
        rows=[[0, 1.0, True], [1, None, False]],
        notes=(
            "A column without a name is called column_1. Rename it with --rename column_1=NEW.",
        ),
    ),
    File(
        "copy.tsv",
        "1\tfoo\t\\N\n2\tbar\t5\n",
        DatasetOptions(header="id,name,n", empty=[r"\N"]),
        "integer text integer",
        [[1, "foo", None], [2, "bar", 5]],
    ),
    File(
        "copy-without-options.tsv",
        "id\tname\n1\t\\N\n2\tbar\n",
        types="integer text",
        notes=(r"name is '\\N' in line 2. If that means no value, add --empty '\N'.",),
    ),
    File(
        "bigquery.jsonl",
        '{"id": "1", "at": "2024-01-15 10:00:00 UTC", "tags": ["a"]}\n{"id": "2"}\n',
        DatasetOptions(nested="keep"),
        "text text json",
        [["1", "2024-01-15 10:00:00 UTC", ["a"]], ["2", None, None]],
    ),
    File(
        "map.geojson",
        GEOJSON,
        DatasetOptions(at="features", nested="flatten"),
        "text text text json",
        [["Feature", "x", "Point", [8.5, 47.4]]],
    ),
    File(
        "zones.csv",
        "at\n2024-01-15T10:00:00+01:00\n2024-01-15T10:00:00Z\n",
        types="text",
        rows=[["2024-01-15T10:00:00+01:00"], ["2024-01-15T10:00:00Z"]],
    ),
    File(
        "report.csv",
        REPORT,
        DatasetOptions(skip=["1-3", "7"]),
        "integer text",
        [[1, "a"], [2, "b"]],
    ),
    File(
        "total.csv",
        REPORT,
        DatasetOptions(skip=["1-3"]),
        "text text",
        notes=("The last row looks like a total ('Total'). Leave it out with --skip 7.",),
    ),
    File(
        "pipes.txt",
        "a|b\n1|x, y\n2|z, w\n",
        types="integer text",
        rows=[[1, "x, y"], [2, "z, w"]],
    ),
    File(
        "spaces.csv",
        " first name , last name \n Ann , Lee\n\u00a0Bo,Chi \n;;\n".replace(";;", ",  "),
        types="text text",
        rows=[["Ann", "Lee"], ["Bo", "Chi"]],
        notes=("1 row without values left out: line 4.",),
    ),
    File(
        "repeated.csv",
        "id,name,name,name_2\n1,a,b,c\n",
        DatasetOptions(rename=["name_3=other"]),
        "integer text text text",
        [[1, "a", "b", "c"]],
    ),
    File(
        "no-header.csv",
        "1,ann\n2,bob\n",
        types="integer text",
        notes=(
            (
                "Line 1 is read as the header, though '1' looks like a value. If the file has no "
                "header line, add --header name1,name2."
            ),
        ),
    ),
    File("short.csv", "a,b\n1\n2,3\n", DatasetOptions(fill=True), "integer integer", [[1, None]]),
    File(
        "disk.csv", 'a,b\n1,"x"y\n', DatasetOptions(no_quotes=True), "integer text", [[1, '"x"y']]
    ),
    File(
        "wide.csv",
        ",".join(f"c{n}" for n in range(2_000)) + "\n" + ",".join(["1"] * 2_000),
        DatasetOptions(columns="c1999,c5"),
        "integer integer",
    ),
    File(
        "typed.csv",
        "zip,active,day,tags\n01234,yes,20240131,[1]\n",
        DatasetOptions(
            types=["active=boolean", "day=date", "tags=json", "zip=integer"], dates="YMD"
        ),
        "integer boolean date json",
        [[1234, True, "2024-01-31", [1]]],
    ),
]


def table_of(folder: Path, name: str, content: str | bytes, options: DatasetOptions) -> Table:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, options)


@pytest.mark.parametrize("file", READ, ids=lambda file: file.name)
def test_a_file_is_read_with_its_types_and_notes(file: File, tmp_path: Path) -> None:
    table = table_of(tmp_path, file.name, file.content, file.options)
    assert [column.type for column in table.columns] == file.types.split()
    assert list(table.rows[: len(file.rows)]) == file.rows
    assert set(file.notes) <= set(table.notes)


@pytest.mark.parametrize("cell", ["1e999", "[9007199254740993]", "[1", "1 2", "NaN"])
def test_a_cell_that_is_not_exact_json_is_rejected(cell: str, tmp_path: Path) -> None:
    options = DatasetOptions(types=["a=json"])
    with pytest.raises(InputError) as raised:
        table_of(tmp_path, "a.csv", f"a\n{cell}\n", options)
    assert "is not JSON" in raised.value.findings[0].message


def test_repeated_names_are_numbered_without_taking_another_one(tmp_path: Path) -> None:
    content = "name,name,name_2\n1,2,3\n"
    table = table_of(tmp_path, "a.csv", content, DatasetOptions())
    assert [column.name for column in table.columns] == ["name", "name_3", "name_2"]
    assert table.notes == [
        (
            "Column 2 is called name_3, because another one is called name. "
            "Rename it with --rename name_3=NEW."
        )
    ]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["5", "n/a", "7"], "line 3: 'n/a'"),
        (["5", "007"], "line 3: '007' has leading zeros"),
        (["1", "9007199254740993"], "line 3: '9007199254740993' has more digits than a number"),
        (["1.000000000000000001"], "line 2: '1.000000000000000001' has more digits than a number"),
        (["5%", "5"], "line 3: '5' has another unit"),
        (["$5", "€5"], "line 3: '€5' has another unit"),
        (["2024-01-01", "2024-02-30"], "line 3: '2024-02-30'"),
        (["31.12.53", "01.01.54"], "line 2: '31.12.53' has a year of two digits"),
        (["true", "FALSE", "maybe"], "line 4: 'maybe'"),
        (["ann", "bob", "7"], ""),
    ],
)
def test_a_column_that_became_text_says_why(cells: list[str], why: str, tmp_path: Path) -> None:
    content = "\n".join(["a", *cells])
    (column,) = table_of(tmp_path, "a.csv", content, DatasetOptions()).columns
    assert column.type == "text"
    assert column.why.startswith(why)
    assert bool(column.why) is bool(why)


@pytest.mark.parametrize(
    ("name", "content", "options", "place", "text"),
    [
        ("a.csv", "", {}, "a.csv", "no header and no rows"),
        ("a.csv", "a,b\n", {}, "a.csv", "no rows"),
        ("a.csv", b"a\n\nx\0y\n", {}, "a.csv:3", "after 'x'"),
        ("a.csv", REPORT, {}, "a.csv:1", "add --skip 1-3"),
        ("a.csv", "Report;;\nid;name;n\n1;a;5\n", {}, "a.csv:1", "line 2, add --skip 1"),
        ("a.csv", "a,b\n1\n2,3\n", {}, "a.csv:2", "--fill, or leave the row out with --skip 2"),
        ("a.csv", 'a,b\n"x\ny",1,2\n1,2\n', {}, "a.csv:2", "--skip 2-3"),
        ("a.csv", 'a,b\n1,"x"y\n', {}, "a.csv:2", "--no-quotes"),
        ("a.csv", ",".join(map(str, range(201))) + "\n" + "1," * 200 + "1", {}, "a.csv:1", "--col"),
        ("a.csv", "a\nn/a\n", {"types": ["a=number"]}, "a.csv:2", "'n/a' is not a number"),
        ("a.csv", "a\n1\n", {"columns": "b"}, "--columns", "the columns are a"),
        ("a.csv", "a\n1\n", {"rename": ["b=c"]}, "--rename", "the columns are a"),
        ("a.csv", "a\n1\n", {"types": ["b=text"]}, "--type", "the columns are a"),
        ("a.csv", "a,b\n1,2\n", {"rename": ["a=b"]}, "a.csv:1", "name of another one: 'b'"),
        ("a.csv", "a\n1\n", {"at": "x"}, "--at", "is for JSON files"),
        ("a.json", "[]", {"skip": ["1"]}, "--skip", "is for CSV files"),
        ("a.json", "[]", {"skip": ["2-1"]}, "--skip", "is not a line"),
        ("a.csv", "a\n1\n", {"types": ["a=x"]}, "--type", "unknown type 'x' of a"),
        ("a.csv", "a\n1\n", {"dates": "xyz"}, "--dates", "DMY"),
        ("a.csv", "a\n1\n", {"decimal": ";"}, "--decimal", "';'"),
        ("a.csv", "a\n1\n", {"encoding": "base64"}, "--encoding", "unknown encoding"),
        ("a.csv", "a\n1\n", {"delimiter": "::"}, "--delimiter", "one character"),
    ],
)
def test_an_error_names_the_place_and_the_option_that_fixes_it(
    name: str,
    content: str | bytes,
    options: dict[str, object],
    place: str,
    text: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError) as raised:
        table_of(tmp_path, name, content, DatasetOptions(**options))  # type: ignore[arg-type]
    found = "\n".join(map(str, raised.value.findings))
    assert f"{place}: " in found
    assert text in found


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_decides_the_encoding(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding.endswith("e") else ""
    content = f"{mark}id,name\n1,Zürich\n".encode(encoding)
    table = table_of(tmp_path, "a.csv", content, DatasetOptions())
    assert [column.name for column in table.columns] == ["id", "name"]
    assert table.rows == [[1, "Zürich"]]


@pytest.mark.parametrize(
    ("text", "encoding", "offered"),
    [
        ("stadt,straße\nKöln,Große Straße\n", "latin-1", "windows-1252"),
        ("nom,prix\nGenève,5 €\n", "cp1252", "windows-1252"),
        ("stadt,x\nKöln,Zürich\n", "cp850", "cp850"),
        ("город,улица\nМосква,Тверская\nКазань,Баумана\n", "cp1251", "windows-1251"),  # noqa: RUF001
        ("名前,都市\n田中,東京\n鈴木,大阪\n", "cp932", "cp932"),
    ],
)
def test_encodings_are_offered_with_what_they_read(
    text: str, encoding: str, offered: str, tmp_path: Path
) -> None:
    content = text.encode(encoding)
    with pytest.raises(InputError, match="is not UTF-8 text") as raised:
        table_of(tmp_path, "a.csv", content, DatasetOptions())
    line = next(line for line in text.splitlines() if not line.isascii())
    assert f"--encoding {offered} reads {line!r}" in [one.message for one in raised.value.findings]
    table = table_of(tmp_path, "a.csv", content, DatasetOptions(encoding=offered))
    assert ",".join(column.name for column in table.columns) == text.splitlines()[0]


def test_utf_16_without_a_mark_and_other_formats_are_recognized(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-16") as raised:
        table_of(tmp_path, "a.csv", "id,name\n1,é\n".encode("utf-16-le"), DatasetOptions())
    assert raised.value.advice == "Add --encoding utf-16-le."
    with pytest.raises(InputError, match="Excel") as raised:
        table_of(tmp_path, "a.csv", b"PK\x03\x04...", DatasetOptions())
    assert "CSV" in raised.value.advice


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "FILE_BYTES_MAX", 3)
    with pytest.raises(InputError, match="has 4 bytes; a file may have 3") as raised:
        table_of(tmp_path, "a.csv", "a\n1\n", DatasetOptions())
    assert raised.value.advice.startswith("It was not read.")
