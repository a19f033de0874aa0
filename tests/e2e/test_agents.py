"""Agents find the APIs, how they are called and what they cost, with the official MCP client."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from dev.layout import HERE
from dev.setup.node import find_node

from .caller import Caller
from .marketplace import MIRROR_HOST
from .paid_dispatcher import PaidDispatcher

DOCUMENTS = {
    "/llms.txt": "text/plain",
    "/robots.txt": "text/plain",
    "/sitemap.xml": "application/xml",
    "/.well-known/x402": "application/json",
    "/openapi.json": "application/json",
}


def test_an_agent_finds_an_api_and_what_a_call_costs(
    shared_paid_dispatcher: PaidDispatcher,
) -> None:
    url = shared_paid_dispatcher.server.url
    program = [str(find_node(HERE)), str(HERE.economy / "test" / "agent.js"), url, ""]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["version"] == "2025-11-25"
    assert found["tools"] == ["search_apis", "get_api"]
    api = found["api"]
    assert api["slug"] == found["apis"][0]["slug"]
    assert json.loads(found["text"]) == api
    assert api["requests"][0]["url"].startswith(f"{url}/t/")
    assert found["called"]["paymentRequired"] is (found["called"]["status"] == 402)
    assert found["unknown"]["isError"] is True
    assert found["invalid"]["code"] == -32_602


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_document_names_the_host_of_the_request(caller: Caller, path: str) -> None:
    response = caller.request(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(DOCUMENTS[path])
    assert "\x1f" not in response.text
    if path != "/openapi.json":
        assert f"{caller.url}/" in response.text or path == "/.well-known/x402"
    tag = response.headers["etag"]
    again = caller.request(path, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/mcp", *DOCUMENTS])
def test_at_a_tenants_host_every_path_is_the_tenants(caller: Caller, path: str) -> None:
    response = caller.request(path, host=MIRROR_HOST)
    assert response.headers["x-tenant-id"] == "ten_mirror"


def test_the_root_leads_to_the_page(caller: Caller) -> None:
    response = caller.request("/")
    assert (response.status_code, response.headers["location"]) == (302, "/explore")
    assert caller.request("/", method="HEAD").status_code == 302
    assert caller.request("/", method="POST").status_code == 405
