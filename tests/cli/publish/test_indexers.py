"""Indexers find no error in any kind of API that is published, nor in the demo's priced APIs."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dev.layout import HERE
from dev.setup.node import find_node
from tests.cli.market import DEMO, LocalMarket
from tests.unit.cli.publish.test_openapi import DOCUMENT

from .local import Local
from .upstream import running_upstream

JAVASCRIPT = "export default { fetch: () => new Response('goods') };\n"
PYTHON = """from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("goods")
"""
CSV = "code,name,runways,opened\nZRH,Zürich,3,1953-06-14\nGVA,Genève,2,1920-09-22\n"
DEMO_APIS = json.loads((DEMO / "priced.json").read_text(encoding="utf-8"))["tenants"]
WORKERS = {"index.js": JAVASCRIPT, "main.py": PYTHON}
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


@pytest.fixture(scope="module")
def market(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Local:
    """The market with an API of each kind, before anybody has asked for its catalog."""
    folder = tmp_path_factory.mktemp("indexed")
    (folder / "airports.csv").write_text(CSV, encoding="utf-8")
    asked = ("publish", folder / "airports.csv", "--slug", "indexed", "--id", "code")
    local.done(*asked, *PRICED, "--host", "indexed.example")

    (folder / "upstream.json").write_text(json.dumps(DOCUMENT))
    with running_upstream() as upstream:
        methods = ("--method", "GET", "--method", "POST", "--allow-private")
        wrapped = ("publish", "--wrap", f"{upstream.url}/v1", *methods, *PRICED)
        local.done(*wrapped, "--slug", "resold")
        described = ("--host", "resold.example", "--openapi", folder / "upstream.json")
        assert local.done(*wrapped, "--slug", "resold-described", *described)["changed"]
        assert not local.done(*wrapped, "--slug", "resold-described", *described)["changed"]

    for name, code in WORKERS.items():
        worker = folder / name[-2:]
        worker.mkdir()
        (worker / name).write_text(code)
        noted = local.done("publish", worker, "--slug", f"plain-{name[-2:]}", *PRICED)
        assert any("--openapi" in note for note in noted["notes"])
        (worker / "openapi.json").write_text(json.dumps({**DOCUMENT, "servers": []}))
        told = local.done("publish", worker, "--slug", f"described-{name[-2:]}", *PRICED)
        assert told["record"]["title"] == "Rates"
        assert not any("--openapi" in note for note in told["notes"])

    for record in DEMO_APIS:
        slug = f"indexed-{record['slug']}"
        file = folder / f"{slug}.json"
        file.write_text(json.dumps({**record, "slug": slug, "workerName": slug}))
        script = DEMO / "namespace" / f"{record['workerName']}.js"
        local.done("publish", script, "--record", file, *PRICED[2:])
    return local


def test_a_dataset(market: Local) -> None:
    findings = examined(market, "/t/indexed", "/t/indexed/rows/ZRH")
    assert_no_errors(findings)
    page, row = (one["catalogued"] for one in findings)
    assert (page["method"], page["serviceName"], page["tags"]) == ("GET", "indexed", ["dataset"])
    assert page["discoveryInfo"]["output"]["example"]["rows"][0]["opened"] == "2026-01-31"
    assert row["routeTemplate"] == "/t/indexed/rows/:id"
    assert row["discoveryInfo"]["input"]["pathParams"] == {"id": "ZRH"}

    findings = examined(market, "/", "/rows/ZRH", host="indexed.example")
    assert_no_errors(findings)
    origin = findings[0]["origin"]
    assert [one["code"] for one in origin["warnings"]] == ["OPENAPI_CONTACT_MISSING"]
    assert [(one["path"], one["authMode"], one["price"]) for one in origin["endpoints"]] == [
        ("/", "paid", "0.002 USD"),
        ("/rows/{id}", "paid", "0.002 USD"),
    ]


def test_another_servers_api(market: Local) -> None:
    assert_no_errors(examined(market, "/t/resold/convert", "/t/resold"))
    findings = examined(market, "/convert", "/orders/7", host="resold.example")
    assert_no_errors(findings)
    rate, order = (one["catalogued"] for one in findings)
    assert rate["discoveryInfo"]["output"]["example"] == {"rate": 1.5}
    assert rate["discoveryInfo"]["input"]["queryParams"] == {"from": "text"}
    assert order["method"] == "POST"
    assert order["discoveryInfo"]["input"]["body"] == {"count": 0}
    assert order["routeTemplate"] == "/orders/:order_id"
    endpoints = {one["resourceKey"].partition(" ")[2] for one in findings[0]["origin"]["endpoints"]}
    assert "POST /orders/{order-id}" in endpoints


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker(market: Local, name: str) -> None:
    slug = f"described-{name[-2:]}"
    paths = (f"/t/{slug}/convert", f"/t/{slug}/orders/7", f"/t/plain-{name[-2:]}")
    findings = examined(market, *paths)
    assert_no_errors(findings)
    assert findings[1]["catalogued"]["routeTemplate"] == f"/t/{slug}/orders/:order_id"


@pytest.mark.parametrize("record", DEMO_APIS, ids=[one["slug"] for one in DEMO_APIS])
def test_a_priced_api_of_the_demo(market: Local, record: dict[str, Any]) -> None:
    slug = f"indexed-{record['slug']}"
    findings = examined(market, f"/t/{slug}", f"/t/{slug}/convert")
    assert_no_errors(findings)
    assert findings[0]["catalogued"]["serviceName"] == record["title"]


def test_the_origin_lists_every_api(market: Local) -> None:
    (found,) = examined(market, "/t/indexed")
    endpoints = {one["path"]: one for one in found["origin"]["endpoints"]}
    assert endpoints["/t/indexed"]["price"] == "0.002 USD"
    assert endpoints["/t/airports"]["authMode"] == "unprotected"
    assert {"/t/indexed/rows/{id}", "/t/resold/{path}", "/t/palette"} <= endpoints.keys()
    codes = {one["code"] for one in found["origin"]["warnings"]}
    # The market has more APIs than an agent should read at once.
    assert codes <= {"OPENAPI_CONTACT_MISSING", "L2_ROUTE_COUNT_HIGH"}


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
