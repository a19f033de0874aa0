"""The folder of a run."""

import json
from pathlib import Path

from dev.launch.run_folder import WATCHED, RunFolder, remove_abandoned
from dev.layout import Layout


def make_clone(root: Path) -> Layout:
    (root / "src").mkdir()
    (root / "src" / "entry.py").write_text("original")
    (root / "wrangler.toml").touch()
    (root / ".dev.vars").write_text("SECRET=of the machine")
    return Layout(root)


def test_it_links_the_clone_without_configuration_and_hidden_files(tmp_path: Path) -> None:
    folder = RunFolder(make_clone(tmp_path))
    assert (folder.path / "src" / "entry.py").read_text() == "original"
    assert not (folder.path / "wrangler.toml").exists()
    assert not (folder.path / ".dev.vars").exists()
    folder.remove()


def test_a_link_can_be_replaced(tmp_path: Path) -> None:
    layout = make_clone(tmp_path)
    other = tmp_path / ".other"
    other.mkdir()
    folder = RunFolder(layout, {"python_modules": other})
    assert (folder.path / "python_modules").resolve() == other
    folder.remove()


def test_what_wrangler_watches_is_copied_without_bytecode(tmp_path: Path) -> None:
    layout = make_clone(tmp_path)
    (tmp_path / "public").mkdir()
    (tmp_path / "src" / "__pycache__").mkdir()
    folder = RunFolder(layout)
    assert [folder.path / name for name in WATCHED] == [
        (folder.path / name).resolve() for name in WATCHED
    ]
    assert [path.name for path in (folder.path / "src").iterdir()] == ["entry.py"]
    (tmp_path / "src" / "entry.py").write_text("edited")
    assert (folder.path / "src" / "entry.py").read_text() == "original"
    folder.remove()


def test_a_run_that_reloads_sees_edits_of_the_clone(tmp_path: Path) -> None:
    folder = RunFolder(make_clone(tmp_path), copies=False)
    (tmp_path / "src" / "entry.py").write_text("edited")
    assert (folder.path / "src" / "entry.py").read_text() == "edited"
    folder.remove()


def test_only_this_user_can_read_its_configuration(tmp_path: Path) -> None:
    folder = RunFolder(make_clone(tmp_path))
    folder.write_config({"vars": {"SECRET": "zwölf"}})
    assert json.loads(folder.config.read_text()) == {"vars": {"SECRET": "zwölf"}}
    assert folder.config.stat().st_mode & 0o777 == 0o600
    folder.remove()


def test_removing_it_does_not_touch_the_clone(tmp_path: Path) -> None:
    folder = RunFolder(make_clone(tmp_path))
    folder.remove()
    assert not folder.path.exists()
    assert (tmp_path / "src" / "entry.py").exists()


def test_runs_in_use_are_kept_and_abandoned_ones_removed(tmp_path: Path) -> None:
    layout = make_clone(tmp_path)
    used = RunFolder(layout)
    abandoned = layout.runs / "run-abandoned"
    abandoned.mkdir()
    (abandoned / "wrangler.json").write_text("{}")
    remove_abandoned(layout.runs)
    assert used.path.exists()
    assert not abandoned.exists()
    used.remove()
