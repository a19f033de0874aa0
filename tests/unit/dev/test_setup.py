"""The logic of set-up, without installing anything."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.errors import (
    DevelopmentError,
    MachineError,
    SetupError,
    UsageError,
    explain_os_error,
    run_command_line,
)
from dev.layout import Layout
from dev.relock import complete_platforms
from dev.setup.command import explain, run_tool
from dev.setup.lock import exclusive
from dev.setup.machine import Machine
from dev.setup.node import is_new_enough, node_version
from dev.setup.stamp import fingerprint, is_stamped, write_atomically
from dev.setup.virtualenv import ensure_venv
from dev.setup.worker_modules import check_locked, pinned_pywrangler

GLIBC = ("glibc", "2.36")


@pytest.mark.parametrize(
    ("system", "architecture", "workerd", "anvil"),
    [
        ("Linux", "x86_64", "linux-64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64", "linux-arm64"),
        ("Darwin", "x86_64", "darwin-64", "darwin-amd64"),
        ("Darwin", "arm64", "darwin-arm64", "darwin-arm64"),
    ],
)
def test_each_machine_has_its_packages(
    system: str, architecture: str, workerd: str, anvil: str
) -> None:
    libc = GLIBC if system == "Linux" else ("", "")
    machine = Machine(system, architecture, libc)
    assert machine.workerd_package() == f"@cloudflare/workerd-{workerd}"
    assert machine.anvil_package() == f"@foundry-rs/anvil-{anvil}"


@pytest.mark.parametrize(
    ("machine", "advice"),
    [
        (Machine("Windows", "AMD64", ("", "")), "WSL 2"),
        (Machine("Linux", "riscv64", GLIBC), "no build for Linux on riscv64"),
        (Machine("Linux", "x86_64", ("", "")), "musl"),
        (Machine("Linux", "x86_64", ("glibc", "2.31")), r"needs glibc 2\.35 .* has 2\.31"),
    ],
)
def test_a_machine_without_workerd_is_reported(machine: Machine, advice: str) -> None:
    with pytest.raises(MachineError, match=advice):
        machine.workerd_package()


@pytest.mark.parametrize(
    ("machine", "advice"),
    [
        (Machine("Windows", "AMD64", ("", "")), "run without PAYMENTS=1"),
        (Machine("Linux", "riscv64", GLIBC), "no build for Linux on riscv64"),
        (Machine("Linux", "x86_64", ("", "")), "musl"),
        (Machine("Linux", "x86_64", ("glibc", "2.31")), r"anvil needs glibc 2\.35 .* has 2\.31"),
    ],
)
def test_a_machine_without_anvil_is_reported(machine: Machine, advice: str) -> None:
    with pytest.raises(MachineError, match=advice):
        machine.anvil_package()


@pytest.mark.parametrize(
    ("version", "enough"),
    [("22.12.0", True), ("24.19.0", True), ("22.11.9", False), ("20.20.2", False)],
)
def test_an_old_node_is_not_used(version: str, enough: bool) -> None:
    assert is_new_enough(version) is enough


def test_a_program_that_is_not_node_has_no_version(tmp_path: Path) -> None:
    assert node_version(Path("/bin/true")) is None
    assert node_version(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("npm error code ENOTFOUND", "registry cannot be reached"),
        ("Failed to establish a new connection: [Errno 111]", "registry cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "does not match its locked hash"),
        ("error: Hash mismatch for `six==1.17.0`", "does not match its locked hash"),
        ("cause: error sending request for url (http://h/six/)", "registry cannot be reached"),
        ("x==1 has no wheels with a matching platform tag", "no build for this Python"),
        ("npm error code EINTEGRITY", "does not match its locked hash"),
        ("ERROR: No matching distribution found for x==1", "no build for this Python"),
        ("npm error code EACCES", "not writable"),
        ("something new", "otherwise"),
    ],
)
def test_a_tools_failure_is_explained(output: str, meaning: str) -> None:
    assert meaning in explain(output, "otherwise")


def test_a_failed_tool_leaves_a_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "tool.log"
    with pytest.raises(SetupError) as failure:
        run_tool(["sh", "-c", "echo details; exit 3"], log=log, cwd=tmp_path, failure="It failed.")
    assert str(failure.value) == f"It failed. Details: {log}"
    assert log.read_text() == "details\n"


def test_a_missing_tool_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no-such-tool is missing"):
        run_tool(["no-such-tool"], log=tmp_path / "log", cwd=tmp_path, failure="It failed.")


def test_a_fingerprint_depends_on_contents_and_order(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("1")
    second.write_text("2")
    before = fingerprint(first, second, "text")
    assert before == fingerprint(first, second, "text")
    assert before != fingerprint(second, first, "text")
    first.write_text("changed")
    assert before != fingerprint(first, second, "text")


def test_a_missing_or_other_stamp_does_not_count(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    assert not is_stamped(stamp, "x")
    stamp.write_text("y")
    assert not is_stamped(stamp, "x")
    stamp.write_text("x")
    assert is_stamped(stamp, "x")


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_only_one_process_can_hold_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from dev.setup.lock import exclusive\n"
        f"with exclusive(Path({str(path)!r}), 'waiting'): print('in', flush=True)"
    )
    with exclusive(path):
        other = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert other.stderr is not None
        assert other.stderr.readline() == "waiting\n"
        assert other.poll() is None
    output, _ = other.communicate(timeout=10)
    assert output == "in\n"


def test_a_python_without_venv_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise subprocess.CalledProcessError(1, "ensurepip")

    monkeypatch.setattr("venv.EnvBuilder.create", broken)
    with pytest.raises(MachineError, match=r"install its venv module .*apt-get install python3"):
        ensure_venv(Layout(tmp_path))


def test_pywranglers_version_is_pinned_in_the_dev_group() -> None:
    pinned = {"dependency-groups": {"dev": ["workers-py==1.17.9", "other"]}}
    assert pinned_pywrangler(pinned) == "1.17.9"
    with pytest.raises(SetupError, match="must pin"):
        pinned_pywrangler({"dependency-groups": {"dev": ["workers-py>=1"]}})


def test_every_dependency_of_the_worker_must_be_locked() -> None:
    lock = "some-package==1.0.0 \\\n    --hash=sha256:0\n"
    check_locked({"project": {"dependencies": ["Some_Package>=1", "some.package[extra]"]}}, lock)
    check_locked({}, lock)
    with pytest.raises(SetupError, match=r"lacks other, .* dev\.relock"):
        check_locked({"project": {"dependencies": ["other==2"]}}, lock)


def test_a_lock_is_completed_with_the_platforms_that_a_mirror_lacks() -> None:
    lock = {
        "packages": {
            "": {"name": "root"},
            "node_modules/tool": {
                "version": "1.0.0",
                "dev": True,
                "optionalDependencies": {
                    "@tool/cli-linux-x64": "1.0.0",
                    "@tool/cli-darwin-arm64": "1.0.0",
                    "@tool/cli-linux-x64-musl": "1.0.0",
                    "fsevents": "~2.3.2",
                },
            },
            "node_modules/@tool/cli-linux-x64": {"version": "1.0.0", "integrity": "sha512-x"},
        }
    }
    packages = complete_platforms(lock)["packages"]
    assert packages["node_modules/@tool/cli-linux-x64"]["integrity"] == "sha512-x"
    assert packages["node_modules/@tool/cli-darwin-arm64"] == {
        "version": "1.0.0",
        "dev": True,
        "optional": True,
        "os": ["darwin"],
        "cpu": ["arm64"],
    }
    assert packages["node_modules/@tool/cli-linux-x64-musl"]["libc"] == ["musl"]
    assert "node_modules/fsevents" not in packages


def fail_with(error: BaseException) -> int:
    def command() -> int:
        raise error

    return run_command_line(command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong\noption"), 2),
        (SetupError("step failed"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "/somewhere"), 1),
    ],
)
def test_a_failure_is_one_line_on_the_error_stream(
    error: BaseException,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DEBUG", raising=False)
    assert fail_with(error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_debug_adds_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "1")
    assert fail_with(DevelopmentError("failed")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_with(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


def test_a_full_disk_and_missing_permissions_are_explained() -> None:
    assert "free some space" in explain_os_error(OSError(errno.ENOSPC, "full"))
    assert "writable" in explain_os_error(PermissionError(errno.EACCES, "no", "/x"))
    assert "DEBUG=1" in explain_os_error(OSError(errno.EIO, "Input/output error"))
