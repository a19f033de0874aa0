"""The list of a file is found in lines, and in any member of an object."""

from pathlib import Path

import pytest

from cli.errors import InputError
from cli.legacy.entries import find_list, read_entries


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ('{"n": 1}\n{"n": 2}\n', [(0, 1), (1, 2)]),
        ('{"n": 1}', None),
        ('{"meta": {"page": 1}, "items": [{"n": 1}, {"n": 2}]}', [(0, 1), (1, 1)]),
        ('{"data": {"log": [\n{"n": 1}]}, "tags": ["a"], "next": []}', [(0, 2)]),
    ],
)
def test_a_list_is_found_in_lines_and_in_any_member(
    tmp_path: Path, text: str, indexes: list[tuple[int, int]] | None
) -> None:
    file = tmp_path / "events.json"
    file.write_text(text)
    if indexes is None:
        with pytest.raises(InputError, match="contains no list of events"):
            list(read_entries(file))
        return
    assert [(one.index, one.line) for one in read_entries(file)] == indexes


def test_one_of_several_lists_must_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('{"a": [{"n": 1}], "b": {"c": [{"n": 2}]}}')
    with pytest.raises(InputError, match=r"several lists: a, b\.c") as refusal:
        list(read_entries(file))
    assert "--at" in refusal.value.advice
    assert [one.value for one in read_entries(file, find_list(file, "b.c"))] == [{"n": 2}]
    with pytest.raises(InputError, match='no list of objects in "x"'):
        find_list(file, "x")
