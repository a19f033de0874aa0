"""The fingerprint that shows whether local databases have all migrations."""

from pathlib import Path

import pytest

from dev.launch.databases import fingerprint


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


def test_the_same_migrations_have_the_same_fingerprint(tmp_path: Path) -> None:
    first = write(tmp_path / "a", one="CREATE", two="DROP")
    (first / "notes.txt").write_text("not a migration")
    assert fingerprint(first) == fingerprint(write(tmp_path / "b", two="DROP", one="CREATE"))


@pytest.mark.parametrize(
    "files", [{"one": "CREATE"}, {"one": "CREATE", "two": "DROP "}, {"one": "CREATE", "3": "DROP"}]
)
def test_other_migrations_have_another_fingerprint(tmp_path: Path, files: dict[str, str]) -> None:
    usual = write(tmp_path / "a", one="CREATE", two="DROP")
    assert fingerprint(usual) != fingerprint(write(tmp_path / "b", **files))
