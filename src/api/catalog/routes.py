"""The routes of the catalog, as `api.routes` has those of the platform."""

from __future__ import annotations

from api.spec import NOT_MODIFIED, READING, TEXT, XML, Route, Success
from core.errors import ConfigurationError, InternalError

CATALOG = Route(
    "/openapi.json",
    "catalog",
    "The published APIs, with their prices, for agents and indexers",
    READING,
    (Success("OpenAPI 3.1.", "Catalog"), NOT_MODIFIED),
    (InternalError,),
    description="No token is needed. It has up to 1,000 APIs: each at `/t/SLUG`, with the paths"
    " that its record describes. Caches may store the response for half a minute.",
    is_conditional=True,
)


def _document(path: str, name: str, summary: str, success: Success, more: str = "") -> Route:
    description = "No token is needed. Caches may store the response for half a minute." + more
    errors = (ConfigurationError, InternalError)
    successes = (success, NOT_MODIFIED)
    return Route(
        path, name, summary, READING, successes, errors, None, description, is_conditional=True
    )


X402 = _document(
    "/.well-known/x402",
    "x402Resources",
    "The addresses that are paid for with x402",
    Success("Their URLs.", "X402Resources"),
    " Addresses in which a part varies are only in `/openapi.json`.",
)
LLMS = _document(
    "/llms.txt",
    "llmsText",
    "The published APIs as text for language models",
    Success("Markdown, as https://llmstxt.org describes it.", "Text", TEXT),
    " It has at most 200,000 characters; the other APIs are found by search.",
)
ROBOTS = _document(
    "/robots.txt",
    "robots",
    "What crawlers may request: the public page, and no API",
    Success("Rules (RFC 9309).", "Text", TEXT),
)
SITEMAP = _document(
    "/sitemap.xml",
    "sitemap",
    "The pages of the published APIs, for crawlers",
    Success("A sitemap (https://www.sitemaps.org).", "Text", XML),
)
