"""Commands find the running `make dev`, also if others run or were killed."""

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest

from cli import targets
from cli.errors import InputError
from cli.targets import find_target
from dev.errors import UsageError
from dev.launch.announcement import (
    FILE_NAME,
    NotRunning,
    Running,
    announced,
    find_registered,
    find_running,
    registered,
    reserved,
)
from dev.layout import Layout


def running(port: int) -> Running:
    return Running(os.getpid(), f"http://localhost:{port}", "token", "http://127.0.0.1:1", "api")


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A clone without a running `make dev`, for `find_target`."""
    layout = Layout(tmp_path)
    (tmp_path / "Makefile").touch()
    monkeypatch.setattr(targets, "HERE", layout)
    for name in ("STATE", "CLAWR_URL", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
        monkeypatch.delenv(name, raising=False)
    return layout


def start(parts: ExitStack, layout: Layout, state: Path, port: int) -> None:
    state.mkdir(parents=True, exist_ok=True)
    parts.enter_context(announced(state, running(port)))
    parts.enter_context(registered(layout.running.with_name(f"running-{port}"), state))
    # Each `make dev` is a process of its own, and registers under its id.
    layout.running.mkdir(parents=True, exist_ok=True)
    (layout.running / str(port)).write_text(str(state))


def test_a_state_in_use_is_refused_with_the_address_of_its_user(tmp_path: Path) -> None:
    with reserved(tmp_path), announced(tmp_path, running(8787)):
        told = "in use by another make dev at http://localhost:8787"
        with pytest.raises(UsageError, match=told), reserved(tmp_path):
            pass
        assert find_running(tmp_path) == running(8787)
    with reserved(tmp_path):
        assert not (tmp_path / FILE_NAME).exists()


def test_the_file_of_one_that_was_killed_is_ignored(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(asdict(running(8787))))
    with pytest.raises(NotRunning):
        find_running(tmp_path)
    with reserved(tmp_path), announced(tmp_path, running(8788)):
        assert find_running(tmp_path).dispatcher_url == "http://localhost:8788"


def test_the_only_one_is_found_wherever_its_state_is(layout: Layout, tmp_path: Path) -> None:
    with ExitStack() as parts:
        start(parts, layout, tmp_path / "elsewhere", 8788)
        found = find_target(local=True)
        assert found.state == tmp_path / "elsewhere"
        assert found.dispatcher.url == "http://localhost:8788"
        assert find_target().is_local
        with pytest.raises(InputError, match="No `make dev` is running at http://localhost:9"):
            find_target(local=True, url="http://localhost:9")
    with pytest.raises(InputError, match="nor with another one"):
        find_target(local=True)
    assert not find_registered(layout.running)
    assert not [*layout.running.glob("*")]


def test_of_several_the_default_one_or_the_named_one_is_found(
    layout: Layout, tmp_path: Path
) -> None:
    with ExitStack() as parts:
        start(parts, layout, tmp_path / "a", 8788)
        start(parts, layout, tmp_path / "b", 8789)
        with pytest.raises(InputError) as raised:
            find_target()
        assert f"http://localhost:8789  --state {tmp_path / 'b'}" in raised.value.message
        assert find_target(state=tmp_path / "b").dispatcher.url == "http://localhost:8789"
        assert find_target(url="http://127.0.0.1:8788/").state == tmp_path / "a"
        # A URL of another machine is no `make dev`.
        assert not find_target(url="https://api.example").is_local
        start(parts, layout, layout.cache / "state", 8787)
        assert find_target().dispatcher.url == "http://localhost:8787"
