"""Indexers find no error in any kind of API that is published, nor in the demo's priced APIs."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dev.layout import HERE
from dev.setup.node import find_node
from tests.cli.market import DEMO, LocalMarket
from tests.unit.cli.publish.test_openapi import DOCUMENT

from .local import Local
from .upstream import running_upstream

JAVASCRIPT = "export default { fetch: () => new Response('goods') };\n"
PYTHON = """from workers import Response


async def on_fetch(request, env, ctx):
    return Response("goods")
"""
CSV = "code,name,runways,opened\nZRH,Zürich,3,1953-06-14\nGVA,Genève,2,1920-09-22\n"
PRICED = ("--price", "0.002", "--pay-to", "0x" + "1" * 40, "--execute")


def examined(local: Local, *paths: str, host: str = "") -> Sequence[Mapping[str, Any]]:
    """Return what indexers say about paths of the dispatcher, or of a host."""
    base = f"http://{host}" if host else local.url
    urls = [f"{base}{path}" for path in paths]
    indexer = HERE.economy / "test" / "indexer.js"
    program = [str(find_node(HERE)), str(indexer), local.url, *urls]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    found: list[Mapping[str, Any]] = json.loads(ran.stdout)
    return found


def assert_no_errors(findings: Sequence[Mapping[str, Any]]) -> None:
    for one in findings:
        assert not one["problems"], (one["url"], one["problems"])
        assert not [each for each in one["warnings"] if each["severity"] != "info"], one
        assert one["catalogued"], one["url"]


def test_a_dataset(local: Local, tmp_path: Path) -> None:
    (tmp_path / "airports.csv").write_text(CSV, encoding="utf-8")
    asked = ("publish", tmp_path / "airports.csv", "--slug", "indexed", "--id", "code")
    local.done(*asked, *PRICED, "--host", "indexed.example")
    findings = examined(local, "/t/indexed", "/t/indexed/rows/ZRH")
    assert_no_errors(findings)
    page, row = (one["catalogued"] for one in findings)
    assert (page["method"], page["serviceName"], page["tags"]) == ("GET", "indexed", ["dataset"])
    assert page["discoveryInfo"]["output"]["example"]["rows"][0]["opened"] == "2026-01-31"
    assert row["routeTemplate"] == "/t/indexed/rows/:id"
    assert row["discoveryInfo"]["input"]["pathParams"] == {"id": "ZRH"}

    findings = examined(local, "/", "/rows/ZRH", host="indexed.example")
    assert_no_errors(findings)
    origin = findings[0]["origin"]
    assert [one["code"] for one in origin["warnings"]] == ["OPENAPI_CONTACT_MISSING"]
    assert [(one["path"], one["authMode"], one["price"]) for one in origin["endpoints"]] == [
        ("/", "paid", "0.002 USD"),
        ("/rows/{id}", "paid", "0.002 USD"),
    ]


def test_another_servers_api(local: Local, tmp_path: Path) -> None:
    file = tmp_path / "upstream.json"
    file.write_text(json.dumps(DOCUMENT))
    with running_upstream() as upstream:
        methods = ("--method", "GET", "--method", "POST", "--allow-private")
        asked = ("publish", "--wrap", f"{upstream.url}/v1", *methods, *PRICED)
        local.done(*asked, "--slug", "resold")
        assert_no_errors(examined(local, "/t/resold/convert", "/t/resold"))
        described = ("--slug", "resold-described", "--host", "resold.example", "--openapi", file)
        assert local.done(*asked, *described)["changed"]
        assert not local.done(*asked, *described)["changed"]
    findings = examined(local, "/convert", "/orders/7", host="resold.example")
    assert_no_errors(findings)
    rate, order = (one["catalogued"] for one in findings)
    assert rate["discoveryInfo"]["output"]["example"] == {"rate": 1.5}
    assert rate["discoveryInfo"]["input"]["queryParams"] == {"from": "text"}
    assert order["method"] == "POST"
    assert order["discoveryInfo"]["input"]["body"] == {"count": 0}
    assert order["routeTemplate"] == "/orders/:order_id"
    endpoints = {one["resourceKey"].partition(" ")[2] for one in findings[0]["origin"]["endpoints"]}
    assert "POST /orders/{order-id}" in endpoints


@pytest.mark.parametrize(("name", "code"), [("index.js", JAVASCRIPT), ("main.py", PYTHON)])
def test_a_worker(local: Local, tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / name).write_text(code)
    noted = local.done("publish", tmp_path, "--slug", f"plain-{name[-2:]}", *PRICED)
    assert any("--openapi" in note for note in noted["notes"])
    assert_no_errors(examined(local, f"/t/plain-{name[-2:]}"))
    (tmp_path / "openapi.json").write_text(json.dumps({**DOCUMENT, "servers": []}))
    slug = f"described-{name[-2:]}"
    described = local.done("publish", tmp_path, "--slug", slug, *PRICED)
    assert described["record"]["title"] == "Rates"
    assert not any("--openapi" in note for note in described["notes"])
    findings = examined(local, f"/t/{slug}/convert", f"/t/{slug}/orders/7")
    assert_no_errors(findings)
    assert findings[1]["catalogued"]["routeTemplate"] == f"/t/{slug}/orders/:order_id"


def test_show_has_what_facilitators_said(local: Local, local_market: LocalMarket) -> None:
    account, account_id = local_market.account, local_market.running.account_id
    namespaces = account.kv.namespaces.list(account_id=account_id)
    tenant_kv = next(one.id for one in namespaces if one.title == "TENANT_KV")
    said = {"bazaar": {"status": "rejected", "rejectedReason": "no output"}}
    at = {"at": "2026-11-30T00:00:00.000Z", "facilitator": "https://f.example"}
    body = [{"key": "extensions/judged", "value": json.dumps({"*": {**at, "extensions": said}})}]
    account.kv.namespaces.bulk_update(tenant_kv, account_id=account_id, body=body)  # type: ignore[arg-type]
    script = DEMO / "namespace" / "palette.js"
    local.done("publish", script, "--slug", "judged", "--execute")
    shown = local("show", "judged")
    assert "bazaar: rejected, no output" in shown.out
    assert local.done("show", "judged")["extensionResponses"]["*"]["extensions"] == said
    local.done("unpublish", "judged", "--execute")


DEMO_APIS = json.loads((DEMO / "priced.json").read_text(encoding="utf-8"))["tenants"]


@pytest.mark.parametrize("record", DEMO_APIS, ids=[one["slug"] for one in DEMO_APIS])
def test_a_priced_api_of_the_demo(local: Local, tmp_path: Path, record: dict[str, Any]) -> None:
    slug = f"indexed-{record['slug']}"
    file = tmp_path / "record.json"
    file.write_text(json.dumps({**record, "slug": slug, "workerName": slug}))
    script = DEMO / "namespace" / f"{record['workerName']}.js"
    local.done("publish", script, "--record", file, *PRICED[2:])
    findings = examined(local, f"/t/{slug}", f"/t/{slug}/convert")
    assert_no_errors(findings)
    assert findings[0]["catalogued"]["serviceName"] == record["title"]
