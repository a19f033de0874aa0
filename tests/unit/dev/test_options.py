"""The options of a run are checked, and errors say what to do."""

import os
import socket
from pathlib import Path

import pytest

from dev.errors import UsageError
from dev.launch.options import (
    Runtime,
    check_namespace,
    check_port,
    check_runtime,
    check_state,
    check_tenants,
)


@pytest.mark.parametrize("text", ["-1", "65536", "http", "", "80.0", "²"])
def test_an_invalid_port_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        check_port(text)


def test_zero_means_any_free_port() -> None:
    assert check_port("0") == 0


def test_a_taken_port_is_rejected_before_anything_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"Port {port} is taken: .*PORT=0"):
            check_port(str(port))


def test_a_missing_state_folder_is_created(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    assert check_state(folder) == folder
    assert folder.is_dir()


def test_a_state_folder_inside_a_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="choose another one"):
        check_state(tmp_path / "file" / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_without_permission_is_rejected(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="not a folder that can be written"):
        check_state(tmp_path / "state")


def test_a_namespace_must_be_a_folder(tmp_path: Path) -> None:
    script = tmp_path / "echo.js"
    script.touch()
    assert check_namespace(tmp_path) == tmp_path
    for wrong in (script, tmp_path / "missing"):
        with pytest.raises(UsageError, match="is not a readable folder"):
            check_namespace(wrong)


def test_a_tenant_directory_is_returned_as_text(tmp_path: Path) -> None:
    file = tmp_path / "tenants.json"
    file.write_text('{"tenants": []}')
    assert check_tenants(file) == '{"tenants": []}'


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must contain an object"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_an_invalid_tenant_directory_is_rejected(
    tmp_path: Path, content: bytes, advice: str
) -> None:
    file = tmp_path / "tenants.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=advice):
        check_tenants(file)


def test_a_missing_tenant_directory_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        check_tenants(tmp_path / "missing.json")


def test_there_are_two_runtimes() -> None:
    assert check_runtime("local") is Runtime.LOCAL
    assert check_runtime("cloudflare") is Runtime.CLOUDFLARE
    with pytest.raises(UsageError, match="RUNTIME=local or RUNTIME=cloudflare"):
        check_runtime("Local")
