"""Figures are kept by commit, in one form, and never those of sources that no commit has."""

import json
import subprocess
from pathlib import Path

import pytest

from bench.report.results import all_kept, keep, measured, newest, source

from . import making

MORNING, NOON = "2026-11-23T07:00:00+00:00", "2026-11-23T12:00:00+00:00"


def test_what_is_kept_can_be_read_again(tmp_path: Path) -> None:
    new = making.kept("1a2b3c4", MORNING, designs=making.designs(), requests=making.requests())
    keep(tmp_path, new)
    (found,) = all_kept(tmp_path)
    assert found == new


def test_a_run_of_one_part_leaves_the_others(tmp_path: Path) -> None:
    keep(tmp_path, making.kept("1a2b3c4", MORNING, designs=making.designs(), page=[{"a": 1}]))
    keep(tmp_path, making.kept("1a2b3c4", MORNING, page=[{"a": 2}]))
    (found,) = all_kept(tmp_path)
    assert found.parts["designs"].figures == making.designs()
    assert found.parts["page"].figures == [{"a": 2}]


def test_commits_are_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    keep(tmp_path, making.kept("aaaaaaa", NOON, page=[{"a": 1}]))
    keep(tmp_path, making.kept("bbbbbbb", MORNING, page=[{"a": 2}], designs=making.designs()))
    kept = all_kept(tmp_path)
    assert [one.commit for one in kept] == ["bbbbbbb", "aaaaaaa"]
    names = {
        part: one and one.commit
        for part in ("page", "designs", "explore")
        for one in [newest(kept, part)]
    }
    assert names == {"page": "aaaaaaa", "designs": "bbbbbbb", "explore": None}


def test_numbers_are_as_long_as_they_are_good_for_and_counts_are_whole(tmp_path: Path) -> None:
    figures = {"ms": [1.23456789, 1234567.89], "sent": 123_456_789}
    file = keep(tmp_path, making.kept("1a2b3c4", MORNING, page=[figures]))
    part = json.loads(file.read_text())["parts"]["page"]
    assert part["figures"] == [{"ms": [1.2346, 1234600.0], "sent": 123_456_789}]


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1a2b3c4.json").write_text('{"commit": "1a2b3c4", "snapshots": []}')
    with pytest.raises(ValueError, match="is not of form 1"):
        all_kept(tmp_path)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "src.py").write_text("1\n")
    (tmp_path / "README.md").write_text("1\n")
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607
    return tmp_path


def test_texts_and_results_are_not_what_is_measured(clone: Path) -> None:
    clean = source(clone)
    (clone / "README.md").write_text("2\n")
    keep(clone / "bench" / "results", measured(clean, "small", [0.0], {"page": [{"a": 1}]}))
    assert source(clone) == clean
    (clone / "src.py").write_text("2\n")
    assert source(clone).commit == f"{clean.commit}-dirty"


def test_what_no_commit_has_is_not_shown(tmp_path: Path) -> None:
    keep(tmp_path, making.kept("1a2b3c4-dirty", NOON, page=[{"a": 1}]))
    assert all_kept(tmp_path) == []


def test_a_part_that_was_not_measured_is_not_kept(clone: Path) -> None:
    new = measured(source(clone), "small", [0.0], {"page": [{"a": 1}], "designs": []})
    assert list(new.parts) == ["page"]
