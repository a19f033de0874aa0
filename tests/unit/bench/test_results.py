"""Results are stored by commit; those of uncommitted sources are ignored."""

import json
import subprocess
from pathlib import Path

import pytest

from bench.report.results import load_all, new_results, newest, source, store

from . import making

MORNING, NOON = "2026-11-23T07:00:00+00:00", "2026-11-23T12:00:00+00:00"


def test_stored_results_can_be_read(tmp_path: Path) -> None:
    new = making.results("1a2b3c4", MORNING, designs=making.designs(), requests=making.requests())
    store(tmp_path, new)
    (found,) = load_all(tmp_path)
    assert found == new


def test_a_run_of_one_part_keeps_the_others(tmp_path: Path) -> None:
    store(tmp_path, making.results("1a2b3c4", MORNING, designs=making.designs(), page=[{"a": 1}]))
    store(tmp_path, making.results("1a2b3c4", MORNING, page=[{"a": 2}]))
    (found,) = load_all(tmp_path)
    assert found.parts["designs"].figures == making.designs()
    assert found.parts["page"].figures == [{"a": 2}]


def test_commits_are_ordered_by_time(tmp_path: Path) -> None:
    store(tmp_path, making.results("aaaaaaa", NOON, page=[{"a": 1}]))
    store(tmp_path, making.results("bbbbbbb", MORNING, page=[{"a": 2}], designs=making.designs()))
    stored = load_all(tmp_path)
    assert [one.commit for one in stored] == ["bbbbbbb", "aaaaaaa"]
    names = {
        part: one and one.commit
        for part in ("page", "designs", "explore")
        for one in [newest(stored, part)]
    }
    assert names == {"page": "aaaaaaa", "designs": "bbbbbbb", "explore": None}


def test_floats_are_rounded_and_counts_are_exact(tmp_path: Path) -> None:
    figures = {"ms": [1.23456789, 1234567.89], "sent": 123_456_789}
    file = store(tmp_path, making.results("1a2b3c4", MORNING, page=[figures]))
    part = json.loads(file.read_text())["parts"]["page"]
    assert part["figures"] == [{"ms": [1.2346, 1234600.0], "sent": 123_456_789}]


def test_a_file_of_another_form_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "1a2b3c4.json").write_text('{"commit": "1a2b3c4", "snapshots": []}')
    with pytest.raises(ValueError, match="is not of form 1"):
        load_all(tmp_path)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "src.py").write_text("1\n")
    (tmp_path / "README.md").write_text("1\n")
    who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607
    return tmp_path


def test_changed_texts_and_results_do_not_make_sources_dirty(clone: Path) -> None:
    clean = source(clone)
    (clone / "README.md").write_text("2\n")
    store(clone / "bench" / "results", new_results(clean, "small", [0.0], {"page": [{"a": 1}]}))
    assert source(clone) == clean
    (clone / "src.py").write_text("2\n")
    assert source(clone).commit == f"{clean.commit}-dirty"


def test_results_of_dirty_sources_are_ignored(tmp_path: Path) -> None:
    store(tmp_path, making.results("1a2b3c4-dirty", NOON, page=[{"a": 1}]))
    assert load_all(tmp_path) == []


def test_an_empty_part_is_not_stored(clone: Path) -> None:
    new = new_results(source(clone), "small", [0.0], {"page": [{"a": 1}], "designs": []})
    assert list(new.parts) == ["page"]
