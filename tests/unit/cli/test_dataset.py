"""A file as a script."""

import json
from pathlib import Path

import pytest

from cli.errors import InputError
from cli.publish import dataset
from cli.publish.bundle import Bundle
from cli.publish.dataset import dataset_of, read_table


def bundle_of(file: Path, id_column: str | None = None, title: str = "x") -> Bundle:
    return dataset_of(
        file,
        delimiter=None,
        id_column=id_column,
        title=title,
        description="",
        cache_control="public, max-age=60",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.csv"
    file.write_bytes("\ufeffid,name\n1,Zürich\n2,Genève\n".encode())
    return file


def test_the_same_file_is_the_same_script(file: Path) -> None:
    assert bundle_of(file).digest == bundle_of(file).digest
    assert bundle_of(file).digest != bundle_of(file, title="y").digest
    before = bundle_of(file).digest
    file.write_text("id,name\n1,Zürich\n")
    assert bundle_of(file).digest != before


def test_a_byte_order_mark_is_no_part_of_the_first_name(file: Path) -> None:
    assert [one.name for one in read_table(file).columns] == ["id", "name"]


def test_what_is_not_utf_8_is_told_with_its_line(file: Path) -> None:
    file.write_bytes(b"id,name\n1,Z\xfcrich\n")
    with pytest.raises(InputError, match="UTF-8") as raised:
        read_table(file)
    assert raised.value.findings[0].line == 2


def test_rows_are_known_by_id_where_it_tells_them_apart(file: Path) -> None:
    assert bundle_of(file).about["id"] == "id"
    file.write_text("id,name\n1,a\n1,b\n")
    assert bundle_of(file).about["id"] is None
    with pytest.raises(InputError) as raised:
        bundle_of(file, "id")
    assert str(raised.value.findings[0]) == "a.csv:3: id 1 is in line 2 already"
    with pytest.raises(InputError) as raised:
        bundle_of(file, "nome")
    assert "there are id, name" in raised.value.findings[0].message


def test_a_dataset_that_would_not_fit_an_isolate_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ROWS_BYTES_MAX", 20)
    with pytest.raises(InputError, match="20 are allowed"):
        bundle_of(file)


def test_half_a_character_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"a": "x"},\n {"a": "\\ud800"}]')
    with pytest.raises(InputError, match="half a character") as raised:
        bundle_of(file)
    assert raised.value.findings[0].line == 2


def test_rows_travel_as_text_and_not_as_code(file: Path) -> None:
    rows = next(one for one in bundle_of(file).modules if one.name == "rows.txt")
    assert rows.media_type == "text/plain"
    assert json.loads(rows.content) == [[1, "Zürich"], [2, "Genève"]]
