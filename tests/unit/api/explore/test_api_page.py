"""The page of an API says all that its record says, as text, whatever the record contains."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from api.explore.api_page import api_page, missing_page
from tenants.records import parse_tenant
from tests.support.fakes import FakeEnvironment

PAYEE = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
SETTINGS = {
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "PAY_TO_ADDRESS": PAYEE,
}
PLAIN: dict[str, Any] = {"slug": "rates", "tenantId": "t", "workerName": "w"}
PRICED: dict[str, Any] = {**PLAIN, "priceUsd": "0.02", "x402Enabled": True}
ROUTES: list[dict[str, Any]] = [
    {
        "path": "/search",
        "priceUsd": 0,
        "methods": ["GET"],
        "inputSchema": {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "A part of the name."}},
            "required": ["name"],
        },
        "example": {"input": {"name": "acme & co"}, "output": {"found": ["Acme"]}},
    },
    {
        "path": "/companies/{id}",
        "priceUsd": "0.02",
        "methods": ["GET"],
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
        "example": {"input": {"id": "us/4711"}, "output": {"id": "us/4711"}},
    },
    {
        "path": "/reports",
        "method": "POST",
        "priceUsd": "0.5",
        "methods": ["POST"],
        "example": {"input": {"ids": ["us-1"]}, "output": {"pdf": "…"}},
    },
]
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"


class _Elements(HTMLParser):
    """Collects the elements of a page, and the texts of data blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(record: dict[str, Any], settings: dict[str, str] | None = None) -> str:
    environment = FakeEnvironment(settings=SETTINGS if settings is None else settings)
    return api_page(parse_tenant(record, "r"), environment, "https://d.example")


def block_of(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="operations">(.*?)</script>', page)
    assert found is not None
    operations: list[dict[str, Any]] = json.loads(found[1])
    return operations


def code_of(page: str, name: str) -> list[str]:
    found = re.findall(rf'<code class="{name}">(.*?)</code>', page, re.DOTALL)
    return [unescape(code) for code in found]


def test_it_has_what_the_record_says() -> None:
    record = {
        **PLAIN,
        "title": "Rates",
        "description": "Rates of exchange.",
        "owner": "bank",
        "directory": "Finance",
        "tags": ["currency"],
        "methods": ["GET", "HEAD"],
        "hosts": ["rates.example"],
        "rateLimit": {"requests": 5, "windowSeconds": 10},
    }
    page = page_of(record)
    for text in (
        "<title>Rates · clawr</title>",
        '<h1 dir="auto">Rates</h1>',
        "Rates of exchange.",
        '<a href="/explore?owner=%40bank" rel="author"><bdi>@bank</bdi></a>',
        '<a href="/explore?category=Finance"><bdi>Finance</bdi></a>',
        "<bdi>currency</bdi>",
        "<code>https://d.example/t/rates</code>",
        "<code>rates.example</code>",
        "GET HEAD",
        "5 requests in 10 s for each caller",
        "It is free: no account and no payment.",
    ):
        assert text in page


def test_it_has_a_canonical_address_and_a_preview_card() -> None:
    found = _Elements(page_of({**PLAIN, "title": "Rates", "description": "x" * 300})).found
    links = {one["rel"]: one["href"] for tag, one in found if tag == "link" and "rel" in one}
    assert links["canonical"] == "https://d.example/explore/rates"
    card = {one.get("property"): one.get("content") for tag, one in found if tag == "meta"}
    assert card["og:title"] == "Rates"
    assert card["og:url"] == "https://d.example/explore/rates"
    assert card["og:image"] == "https://d.example/explore/card.png"
    assert len(str(card["og:description"])) == 200


def structured_data_of(record: dict[str, Any]) -> dict[str, Any]:
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page_of(record))
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_search_engines_are_told_what_it_is_and_costs() -> None:
    about = {"title": HOSTILE, "description": "Rates.", "tags": ["currency"], "owner": "bank"}
    data = structured_data_of({**PRICED, **about, "priceUsd": "0.015"})
    assert data["name"] == HOSTILE
    assert data["url"] == "https://d.example/explore/rates"
    assert data["potentialAction"]["target"] == "https://d.example/t/rates"
    assert data["provider"]["name"] == "@bank"
    assert (data["description"], data["keywords"]) == ("Rates.", ["currency"])
    assert data["offers"] == {"@type": "Offer", "priceCurrency": "USD", "price": 0.015}
    assert data["isAccessibleForFree"] is False
    assert structured_data_of({**PRICED, "routes": ROUTES})["offers"] == {
        "@type": "AggregateOffer",
        "priceCurrency": "USD",
        "lowPrice": 0.0,
        "highPrice": 0.5,
    }
    assert "offers" not in structured_data_of(PLAIN)


def test_each_route_has_its_price_and_the_code_its_address() -> None:
    page = page_of({**PRICED, "routes": ROUTES})
    prices = re.findall(r"<code>([^<]*)</code></th><td>([^<]*)</td>", page)
    assert prices == [
        ("/search", "Free"),
        ("/companies/{id}", "$0.02"),
        ("/reports", "$0.50"),
        ("any other path", "$0.02"),
    ]
    assert "<strong>Free to $0.50</strong>" in page
    curl = code_of(page, "curl")
    assert curl[0] == "curl -gi 'https://d.example/t/rates/search?name=acme+%26+co'"
    assert curl[1] == "curl -gi https://d.example/t/rates/companies/us%2F4711"
    assert curl[2].startswith("curl -gi -X POST -H 'content-type: application/json' -d ")
    assert "x402" not in code_of(page, "python")[0], "the search is free"
    assert "x402" in code_of(page, "python")[1]
    assert '"found": [' in unescape(page)
    assert "A part of the name." in page


def test_only_free_operations_can_be_tried() -> None:
    operations = block_of(page_of({**PRICED, "routes": ROUTES}))
    assert [(one["name"], one["isFree"]) for one in operations] == [
        ("GET /search", True),
        ("GET /companies/{id}", False),
        ("POST /reports", False),
    ]
    assert [one["name"] for one in operations[1]["parameters"]] == ["id"]


def test_the_ways_to_pay_are_listed_once() -> None:
    page = page_of({**PRICED, "routes": ROUTES, "payTo": PAYEE})
    assert page.count("<b>USDC</b> on base-sepolia") == 1
    assert f"<code>{PAYEE}</code>" in page
    assert "Payments are not configured here at the moment." in page_of(PRICED, {})


def test_a_hostile_record_stays_text() -> None:
    schema = {"type": "object", "properties": {HOSTILE: {"type": "string", "description": HOSTILE}}}
    texts = dict.fromkeys(("title", "description", "owner", "directory"), HOSTILE)
    record = {
        **PLAIN,
        **texts,
        "tags": [HOSTILE[:32]],
        "inputSchema": schema,
        "example": {"input": {HOSTILE: HOSTILE}, "output": HOSTILE},
    }
    page = page_of(record)
    elements = _Elements(page).found
    assert [one["src"] for tag, one in elements if tag == "img"] == ["/explore/icon.svg"]
    scripts = [one.get("src") or one.get("type") for tag, one in elements if tag == "script"]
    assert scripts == [
        "application/ld+json",
        "/explore/early.js",
        "/explore/api.js",
        "application/json",
    ]
    assert not [name for _, one in elements for name in one if name.startswith("on")]
    assert block_of(page)[0]["parameters"][0]["name"] == HOSTILE
    assert page.count("</script>") == 4


def test_a_text_in_another_direction_does_not_turn_its_surroundings() -> None:
    page = page_of(
        {**PLAIN, "title": "خدمة", "description": "وصف", "owner": "مطور", "directory": "لغات"}
    )
    assert '<h1 dir="auto">خدمة</h1>' in page
    assert "<bdi>@مطور</bdi>" in page
    assert "<bdi>لغات</bdi>" in page


def test_control_characters_of_a_schema_are_left_out() -> None:
    schema = {"type": "object", "properties": {"a\u202eb": {"description": "x\u2066\x00y"}}}
    page = page_of({**PLAIN, "inputSchema": schema, "example": {"output": "p\u202eq"}})
    assert not re.search("[\u202e\u2066\x00]", page)
    assert "<code>ab</code>" in page


@pytest.mark.parametrize("routes", [50])
def test_a_record_with_all_that_fits_makes_a_page_of_bounded_size(routes: int) -> None:
    many = [
        {"path": f"/r{number}", "priceUsd": "0.01", "example": {"output": ["x" * 60] * 100}}
        for number in range(routes)
    ]
    page = page_of({**PRICED, "description": "d" * 2_000, "routes": many})
    assert page.count('<details class="operation"') == 20
    assert page.count("</td></tr>") == routes + 1
    assert len(page) < 300_000


def test_a_missing_api_says_so_and_leads_back() -> None:
    page = missing_page("<gone>", None)
    assert "There is no such API" in page
    assert "&lt;gone&gt;" in page
    assert '<a class="button" href="/explore">' in page
    assert '<meta name="robots" content="noindex">' in page
    withdrawn = missing_page("gone", 1_234)
    assert "This API was withdrawn" in withdrawn
    assert "was called 1,234 times" in withdrawn
