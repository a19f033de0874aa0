"""The page loads and runs only its own files, and is small."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest

from dev.launch import Server
from dev.layout import HERE
from tests.e2e.caller import Caller

from .visit import Visitor

FOLDER = HERE.root / "public" / "explore"
FILES = sorted(file for file in FOLDER.rglob("*") if file.is_file())
FIRST_LOAD_MAX_BYTES = 150_000


@pytest.fixture
def client(dispatcher: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=dispatcher.url) as client:
        yield client


def test_the_policy_blocks_foreign_scripts_and_styles(
    visitor: Visitor,
) -> None:
    visitor.expected = ("Content Security Policy", "blocked", "TrustedHTML", "TrustedScript")
    page = visitor.open()
    page.evaluate(
        "() => { const script = document.createElement('script');"
        " script.append(document.createTextNode('window.broken = 1'));"
        " document.body.append(script); }"
    )
    page.evaluate("() => { document.body.setAttribute('style', 'color: rgb(1, 2, 3)'); }")
    assert page.evaluate("window.broken") is None
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(1, 2, 3)"
    refused = page.evaluate("() => fetch('https://elsewhere.example/').catch(() => 'refused')")
    assert refused == "refused"
    blocked = page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; }"
        " catch (error) { return error.name; } }"
    )
    assert blocked == "TypeError"


def test_the_policy_blocks_inline_scripts(visitor: Visitor) -> None:
    """An inline script in the page, as after an injection, does not run."""
    visitor.expected = ("Content Security Policy",)
    page = visitor.page()

    def inject(route: object) -> None:
        response = route.fetch()  # type: ignore[attr-defined]
        body = response.text().replace("<body", "<script>window.broken = 1</script><body")
        route.fulfill(response=response, body=body)  # type: ignore[attr-defined]

    page.route("**/explore", inject)
    page.goto(f"{visitor.url}/explore")
    page.wait_for_selector("#rows tr")
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_has_type_etag_and_policy(client: httpx.Client, file: object) -> None:
    name = file.relative_to(FOLDER).as_posix()  # type: ignore[attr-defined]
    path = "/explore" if name == "index.html" else f"/explore/{name.removesuffix('.html')}"
    response = client.get(path)
    kinds = {
        "html": "text/html",
        "js": "text/javascript",
        "css": "text/css",
        "svg": "image/svg",
        "png": "image/png",
    }
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    assert response.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert response.headers["cache-control"] == "public, max-age=0, must-revalidate"
    again = client.get(path, headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == response.headers["etag"]


def test_other_methods_and_unknown_files_are_rejected(client: httpx.Client) -> None:
    refused = client.post("/explore", content=b"x" * 100)
    assert (refused.status_code, refused.json()["error"]) == (405, "method_not_allowed")
    assert client.get("/explore/").headers["location"] == "/explore"
    for path in ("/explore/nothing.js", "/explore/../wrangler.toml", "/explore/%2e%2e%2fpublic"):
        response = client.get(path)
        assert (response.status_code, response.json()["ok"]) == (404, False)


def test_a_tenants_host_serves_its_own_explore(dispatcher: Server) -> None:
    with Caller(dispatcher.url, "") as caller:
        response = caller.request("/explore", host="airports.demo.localhost")
    assert response.headers["x-tenant-id"] == "ten_meridian_airports"
    assert "content-security-policy" not in response.headers


def test_a_first_visit_is_small() -> None:
    files = [file for file in FILES if file.suffix != ".png" and file.name != "ranking.html"]
    size = sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)
    assert size < FIRST_LOAD_MAX_BYTES / 3
