"""A runtime in which requests cannot be driven still serves them."""

import json
from pathlib import Path

import httpx

from dev.launch.config import development_config, load_production_config
from dev.launch.options import LaunchOptions
from dev.launch.run_folder import RunFolder, copy_sources
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE
from tests.runtime.harness import SCRIPTS

ENTRY = """\
import pyodide.ffi

def fail(*_):
    raise TypeError("this runtime has changed")

pyodide.ffi.create_once_callable = fail

from entry import *
"""
"""The Worker in a runtime where JavaScript cannot resume Python."""

TENANTS = {"tenants": [{"tenantId": "t", "slug": "mirror", "workerName": "mirror"}]}


def test_requests_are_served_where_they_cannot_be_driven(tmp_path: Path) -> None:
    """Routes of our own and scripts respond as always, and the log says once why it is slower."""
    options = LaunchOptions(
        port=0, state=tmp_path, namespace=SCRIPTS, tenant_directory=json.dumps(TENANTS)
    )
    folder = RunFolder(HERE)
    copy_sources(HERE.root / "src", folder.path / "changed")
    (folder.path / "changed" / "changed_entry.py").write_text(ENTRY)
    production = load_production_config(HERE.wrangler_toml)
    config = development_config(production, options, plugin_folder(HERE))
    config["main"] = "changed/changed_entry.py"
    server = start_in(HERE, folder, config, options)
    try:
        server.wait_until_ready()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            assert client.get("/health").json()["ok"] is True
            for _ in range(2):
                response = client.post("/t/mirror/path", content="body")
                assert (response.status_code, response.json()["body"]) == (201, "body")
            assert client.get("/t/missing/").json()["error"] == "tenant_not_found"
    finally:
        server.stop()
    lines = [line for line in server.log.read_text().splitlines() if "driver_unavailable" in line]
    assert len(lines) == 1
    assert "this runtime has changed" in lines[0]
