"""`make demo` works against the real dispatcher, and both counts agree."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dev.launch import Server, running_dispatcher
from tests.support.prepared_start import prepared_start

from .caller import Caller
from .marketplace import DEMO_NAMESPACE, DEMO_TENANTS, REPOSITORY


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dispatcher with the tenants and scripts of `make dev`."""
    with running_dispatcher(
        state=tmp_path_factory.mktemp("demo"),
        tenants=DEMO_TENANTS.read_text(encoding="utf-8"),
        namespace=DEMO_NAMESPACE,
        prepared=prepared_start(),
    ) as server:
        yield server


def demo(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.demo", "--url", server.url, *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_demo_record_is_valid(demo_server: Server) -> None:
    with Caller(demo_server.url, "dev-token") as caller:
        report = json.dumps(caller.platform("health"))
    assert "directory_record_refused" not in report


def test_every_demo_api_responds_with_its_name(demo_server: Server) -> None:
    tenants = json.loads(DEMO_TENANTS.read_text(encoding="utf-8"))["tenants"]
    with Caller(demo_server.url, "dev-token") as caller:
        for tenant in tenants:
            response = caller.request(f"/t/{tenant['slug']}/")
            assert response.json()["name"].lower() == tenant["workerName"]
            assert response.headers["x-tenant-id"] == tenant["tenantId"]


def test_a_demo_api_responds_at_its_host(demo_server: Server) -> None:
    with Caller(demo_server.url, "dev-token") as caller:
        response = caller.request("/convert?from=EUR&to=JPY&amount=2", host="fx.demo.localhost")
        assert response.json()["result"] == "326.84"


def test_both_counts_agree_in_repeated_runs(demo_server: Server) -> None:
    for seed in ("1", "2"):
        shown = demo(demo_server, "--requests", "300", "--seed", seed)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "they agree" in shown.stdout
        assert "Ranked APIs" in shown.stdout


def test_a_wrong_token_is_reported_in_one_line(demo_server: Server) -> None:
    shown = demo(demo_server, "--token", "wrong")
    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)
    assert "--token" in shown.stderr
