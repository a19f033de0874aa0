"""The newest runtime is tested in a copy of the sources that never changes the clone."""

from pathlib import Path

import pytest

from dev import newest
from dev.layout import Layout
from dev.newest import SUITES, copy_sources, share_installed, with_suites


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    layout = Layout(tmp_path / "clone")
    write(layout.root / "src" / "entry.py", "new")
    (layout.root / "src" / "link.py").symlink_to("entry.py")
    monkeypatch.setattr(newest, "tracked_files", lambda _: ["src/entry.py", "src/link.py"])
    return layout


def test_a_copy_has_the_sources_of_now_and_keeps_what_is_installed(
    clone: Layout, tmp_path: Path
) -> None:
    copy = Layout(tmp_path / "copy")
    write(copy.root / "src" / "removed.py")
    write(copy.root / "package.json", "of the newest")
    write(copy.node_modules / "wrangler" / "package.json", "newest")
    write(copy.bundles / "bundle", "newest")
    copy_sources(clone, copy)
    assert {path.name for path in (copy.root / "src").iterdir()} == {"entry.py", "link.py"}
    assert (copy.root / "src" / "link.py").is_symlink()
    assert not (copy.root / "package.json").exists()
    assert (copy.node_modules / "wrangler" / "package.json").read_text() == "newest"
    assert (copy.bundles / "bundle").read_text() == "newest"


def test_a_copy_shares_what_does_not_depend_on_the_runtime(clone: Layout, tmp_path: Path) -> None:
    copy = Layout(tmp_path / "copy")
    for folder in (clone.venv, clone.venv_workers, clone.python_modules, clone.inside_modules):
        write(folder / "installed")
    write(clone.economy / "node_modules" / "installed")
    for _ in range(2):
        copy_sources(clone, copy)
        share_installed(clone, copy)
        for folder in (copy.venv, copy.python_modules, copy.inside_modules):
            assert (folder / "installed").is_file()
            assert folder.is_symlink()
    assert not copy.node_modules.exists()


@pytest.mark.parametrize("selected", [[], ["-q"], ["-k", "settle"]])
def test_options_alone_select_the_suites_that_need_workerd(
    clone: Layout, selected: list[str]
) -> None:
    assert with_suites(clone, selected) == [*selected, *SUITES]


@pytest.mark.parametrize("selected", [["src"], ["-q", "src/entry.py::test_that"]])
def test_named_tests_replace_the_suites(clone: Layout, selected: list[str]) -> None:
    assert with_suites(clone, selected) == selected
