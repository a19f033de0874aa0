"""Chromium is found, or installed as root, or the error says how to install it."""

from pathlib import Path

import pytest

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup import chromium


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Chromium, with all its programs in this folder."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(chromium, "MAC_PATHS", ())
    return folder


def program(folder: Path, name: str, script: str) -> Path:
    """Write an executable script into a folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_it_is_found_under_each_of_its_names(programs: Path) -> None:
    for name in reversed(chromium.NAMES):
        path = program(programs, name, "exit 0")
        assert chromium.find_chromium() == path


def test_an_error_says_how_to_install_it(programs: Path, tmp_path: Path) -> None:
    assert not list(programs.iterdir())
    with pytest.raises(SetupError, match="apt-get install chromium"):
        chromium.find_chromium()
    with pytest.raises(SetupError, match="apt-get install chromium"):
        chromium.ensure_chromium(Layout(tmp_path), lock=0)


def test_without_root_it_is_not_installed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "apt-get", "exit 99")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="only root can install it"):
        chromium.ensure_chromium(Layout(tmp_path), lock=0)


@pytest.mark.parametrize("has_package_lists", [True, False])
def test_root_installs_it_with_apt(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_package_lists: bool
) -> None:
    calls, updated = tmp_path / "calls", tmp_path / "updated"
    if has_package_lists:
        updated.touch()
    program(
        programs,
        "apt-get",
        f'echo "$@" >> {calls}\n'
        f'case "$*" in *" update") : > {updated};; *" install "*) [ -e {updated} ] || exit 100;'
        f" : > {programs}/chromium; /bin/chmod 755 {programs}/chromium;; esac",
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    chromium.ensure_chromium(Layout(tmp_path), lock=1)
    assert chromium.chromium() == programs / "chromium"
    commands = [line.partition("=300 ")[2].split()[0] for line in calls.read_text().splitlines()]
    assert commands == (["install"] if has_package_lists else ["install", "update", "install"])


def test_a_failure_of_apt_is_explained(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "apt-get", "exit 100")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(SetupError, match="apt could not install Chromium"):
        chromium.ensure_chromium(Layout(tmp_path), lock=1)
