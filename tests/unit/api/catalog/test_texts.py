"""The texts for agents and crawlers have the live APIs, and no text in them is markup."""

from __future__ import annotations

import json
import re
import urllib.robotparser
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pytest

from api.catalog import texts
from api.catalog.texts import dollars, llms_text, robots_text, sitemap_text
from api.explore.catalog import ListedApi, listed_entry
from api.explore.listing import ORIGIN
from core import keys
from core.constants import DIRECTORY_CACHE_SECONDS
from core.ports import Json, ProxyResponse, Response
from tenants.catalog import entry_of
from tenants.records import parse_tenant
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeStore
from tests.unit.tenants.test_records import REQUIRED

HOSTILE = ']]></loc><script>alert(1)</script> [x](javascript:1) # `a` مرحبا & "q"'
PATHS = ("/llms.txt", "/robots.txt", "/sitemap.xml", "/.well-known/x402", "/openapi.json", "/")
LINK = re.compile(r"- \[([^\[\]]+)\]\(([^()\s]+)\): (.+)")
"""A link as parsers of llms.txt read it (https://llmstxt.org)."""


def listed(slug: str = "a", **record: Json) -> ListedApi:
    """Return the API of a record."""
    return listed_entry(entry_of(parse_tenant({**REQUIRED, "slug": slug, **record}, "r")))


def text(scene: Scene, url: str) -> str:
    """Return a document."""
    response = scene.request(url)
    assert isinstance(response, Response)
    assert response.status == 200, response.body
    return response.body


def scene_of(*records: Mapping[str, Json]) -> Scene:
    """Return a dispatcher with these records."""
    values: dict[str, tuple[str, Json]] = {
        keys.tenant(str(record["slug"])): (json.dumps({**REQUIRED, **record}), None)
        for record in records
    }
    return Scene(environment=FakeEnvironment(tenant_store=FakeStore(values=values)), variable=None)


def test_the_text_for_language_models_lists_apis_by_category_with_their_prices() -> None:
    apis = [
        listed("a", title="Rates", directory="Finance", priceUsd="0.015", x402Enabled=True),
        listed("b", description="Tides.", directory="Data"),
        listed("c", directory="Data", x402Enabled=True, routes=[{"path": "/x", "priceUsd": 1}]),
    ]
    found = llms_text(apis, "")
    assert found.startswith("# Published APIs\n\n> 3 APIs that")
    assert found.endswith(
        "\n## Data\n\n"
        f"- [b]({ORIGIN}/t/b): Free. Tides.\n"
        f"- [c]({ORIGIN}/t/c): $0 to $1 per call.\n"
        "\n## Finance\n\n"
        f"- [Rates]({ORIGIN}/t/a): $0.015 per call.\n"
    )
    assert "(https://other.example/t/b)" in llms_text(apis, "https://other.example")


def test_hostile_texts_stay_texts() -> None:
    api = listed("a", title=HOSTILE, description=HOSTILE, directory=HOSTILE)
    lines = llms_text([api], "http://d.example").splitlines()
    (line,) = [line for line in lines if "/t/a" in line]
    match = LINK.fullmatch(line)
    assert match is not None
    assert match[2] == "http://d.example/t/a"
    assert "<script" not in line.replace("\\<", "")
    root = ET.fromstring(sitemap_text([api]).replace(ORIGIN, "http://d.example"))  # noqa: S314
    assert len(root) == 2


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    apis = [listed(f"a{number:05}", description="d" * 300) for number in range(1_000)]
    found = llms_text(apis, "")
    assert len(found.replace(ORIGIN, "https://apis.dispatch.example")) <= texts.LLMS_LENGTH_MAX
    shown = found.count("/t/a0")
    assert found.endswith(f"{1_000 - shown:,} more APIs are found by search.\n")
    monkeypatch.setattr(texts, "SITEMAP_URLS_MAX", 10)
    assert sitemap_text(apis).count("<loc>") == 10


def test_crawlers_may_read_the_page_and_call_no_api() -> None:
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(robots_text().replace(ORIGIN, "http://d.example").splitlines())
    allowed = ("/explore", "/explore/a", "/", "/llms.txt", "/sitemap.xml", "/openapi.json")
    assert all(rules.can_fetch("Crawler", path) for path in allowed)
    refused = ("/t/a", "/t/a/b", "/__platform/health", "/mcp")
    assert not any(rules.can_fetch("Crawler", path) for path in refused)
    assert rules.site_maps() == ["http://d.example/sitemap.xml"]


def test_the_sitemap_has_the_page_of_each_api() -> None:
    scene = scene_of({"slug": "a"}, {"slug": "b"})
    root = ET.fromstring(text(scene, "https://d.example/sitemap.xml"))  # noqa: S314
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    assert root.tag == f"{space}urlset"
    assert [one.text for one in root.iter(f"{space}loc")] == [
        "https://d.example/explore",
        "https://d.example/explore/a",
        "https://d.example/explore/b",
    ]


def test_addresses_that_are_paid_for_are_listed() -> None:
    priced = {"priceUsd": "0.01", "x402Enabled": True}
    routes = [{"path": "/days/:day", "priceUsd": 1}, {"path": "/x", "priceUsd": 1}]
    scene = scene_of({"slug": "a", **priced, "routes": routes}, {"slug": "free"})
    found = json.loads(text(scene, "https://d.example/.well-known/x402"))
    assert found == {
        "version": 1,
        "resources": ["https://d.example/t/a", "https://d.example/t/a/x"],
    }


BROWSER = {"user-agent": "Mozilla/5.0", "accept": "text/html"}


@pytest.mark.parametrize(
    ("host", "headers"),
    [("localhost:8787", {}), ("127.0.0.1", {}), ("x.workers.dev", {}), ("d.example", BROWSER)],
)
def test_the_root_leads_to_the_page(host: str, headers: Mapping[str, str]) -> None:
    response = scene_of().request(f"https://{host}/?utm=x", headers=headers)
    assert isinstance(response, Response)
    assert (response.status, dict(response.headers)["location"]) == (302, "/explore")


def test_a_program_is_told_that_no_api_has_a_host() -> None:
    assert error(scene_of().request("https://d.example/"))["error"] == "tenant_not_found"


@pytest.mark.parametrize("path", PATHS)
def test_documents_are_public_cached_and_read_only(path: str) -> None:
    scene = scene_of({"slug": "a"})
    url = f"http://localhost{path}"
    assert error(scene.request(url, "POST"))["error"] == "method_not_allowed"
    response = scene.request(url, "HEAD")
    assert isinstance(response, Response)
    headers = dict(response.headers)
    assert headers["cache-control"] == f"public, max-age={DIRECTORY_CACHE_SECONDS}"
    if path != "/":
        again = scene.request(url, headers={"if-none-match": headers["etag"]})
        assert isinstance(again, Response)
        assert (again.status, again.body) == (304, "")
    assert scene.events == []


@pytest.mark.parametrize("path", PATHS)
def test_at_a_tenants_host_every_path_is_the_tenants(path: str) -> None:
    assert isinstance(Scene().request(f"http://fx.example{path}"), ProxyResponse)


@pytest.mark.parametrize("path", PATHS)
def test_if_the_directory_cannot_be_read_no_host_is_taken_for_the_dispatchers(path: str) -> None:
    scene = Scene(environment=FakeEnvironment(tenant_store=FakeStore(unavailable=True)))
    assert error(scene.request(f"http://any.example{path}"))["status"] == 500


@pytest.mark.parametrize(
    ("micros", "shown"), [(0, "0"), (1, "0.000001"), (15_000, "0.015"), (2_500_000, "2.5")]
)
def test_prices_are_exact(micros: int, shown: str) -> None:
    assert dollars(micros) == shown
