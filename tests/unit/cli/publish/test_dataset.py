"""A file becomes the script that serves it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.errors import InputError
from cli.publish.data.options import DatasetOptions
from cli.publish.scripts import dataset
from cli.publish.scripts.bundle import Bundle
from cli.publish.scripts.dataset import dataset_of


def bundle_of(file: Path, id_column: str | None = None, title: str = "x") -> Bundle:
    return dataset_of(
        file,
        DatasetOptions(id_column=id_column),
        title=title,
        description="",
        cache_control="public, max-age=60",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.csv"
    file.write_bytes("\ufeffid,name\n1,Zürich\n2,Genève\n".encode())
    return file


def test_the_digest_depends_on_the_content_only(file: Path) -> None:
    assert bundle_of(file).digest == bundle_of(file).digest
    assert bundle_of(file).digest != bundle_of(file, title="y").digest
    before = bundle_of(file).digest
    file.write_text("id,name\n1,Zürich\n")
    assert bundle_of(file).digest != before


def test_the_column_id_identifies_rows_if_it_is_unique(file: Path) -> None:
    assert bundle_of(file).about["id"] == "id"
    file.write_text("id,name\n1,a\n1,b\n")
    assert bundle_of(file).about["id"] is None
    with pytest.raises(InputError) as raised:
        bundle_of(file, "id")
    assert str(raised.value.findings[0]) == "a.csv:3: id 1 is already used in line 2"
    with pytest.raises(InputError) as raised:
        bundle_of(file, "nome")
    assert "the columns are id, name" in raised.value.findings[0].message


def test_a_dataset_that_does_not_fit_an_isolate_is_rejected(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ROWS_BYTES_MAX", 20)
    with pytest.raises(InputError, match="the limit is 20"):
        bundle_of(file)


def test_half_a_surrogate_pair_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"a": "x"},\n {"a": "\\ud800"}]')
    with pytest.raises(InputError, match="surrogate pair") as raised:
        bundle_of(file)
    assert raised.value.findings[0].line == 2


def test_reserved_names_have_their_filter_in_the_description(file: Path) -> None:
    file.write_text("id,limit,sort\n1,5,x\n")
    bundle = bundle_of(file)
    module = next(one for one in bundle.modules if one.name == "dataset.js").content.decode()
    document = json.loads(module.partition("= ")[2].rstrip().rstrip(";"))["openapi"]
    names = [one["name"] for one in document["paths"]["/"]["get"]["parameters"]]
    assert len(names) == len(set(names))
    assert {"limit", "limit[eq]", "limit[gt]", "sort[eq]", "id"} <= set(names)
    assert [note.partition(",")[0] for note in bundle.notes] == [
        "limit: filter with limit[eq]=VALUE",
        "sort: filter with sort[eq]=VALUE",
    ]


def test_why_a_column_is_text_is_shown_and_not_published(file: Path) -> None:
    file.write_text("price\n1\nn/a\n")
    bundle = bundle_of(file)
    assert bundle.about["columns"][0]["why"] == "line 3: 'n/a'"
    assert not any(b"line 3" in one.content for one in bundle.modules)


def test_a_column_of_arrays_cannot_identify_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"id": [1]}]')
    kept = DatasetOptions(nested="keep")
    about = dataset_of(file, kept, title="", description="", cache_control="").about
    assert about["id"] is None
    with pytest.raises(InputError) as raised:
        dataset_of(file, replace(kept, id_column="id"), title="", description="", cache_control="")
    assert "json column cannot identify rows" in raised.value.findings[0].message


def test_rows_are_uploaded_as_text_not_as_code(file: Path) -> None:
    rows = next(one for one in bundle_of(file).modules if one.name == "rows.txt")
    assert rows.media_type == "text/plain"
    assert json.loads(rows.content) == [[1, "Zürich"], [2, "Genève"]]
