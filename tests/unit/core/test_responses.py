"""Pages are for browsers that prefer them; programs get JSON."""

from __future__ import annotations

import pytest

from core.responses import prefers_page

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0"
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def prefers(accept: str, user_agent: str = BROWSER) -> bool:
    return prefers_page({"accept": accept, "user-agent": user_agent})


@pytest.mark.parametrize(
    "accept",
    [
        CHROMIUM,
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "text/html, */*",
        "text/*, application/json;q=0.9",
        "application/json;q=0.1, text/html;q=0.2",
        "text/html;q=0.001",
        "application/json;q=0, text/html;q=0.5, */*",
    ],
)
def test_a_browser_that_prefers_html_gets_a_page(accept: str) -> None:
    assert prefers(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, text/html",
        "text/html;q=0.8, application/json;q=0.9",
        "application/json, text/html;q=0.9, */*;q=0.8",
        "application/json, text/plain, */*",
        "text/html;q=0",
        "text/html;q=0.000, */*",
        "text/html;q=2",
        "text/html;q=high",
        "x-text/html",
        "application/xhtml+xml",
    ],
)
def test_what_does_not_prefer_html_gets_json(accept: str) -> None:
    assert not prefers(accept)


@pytest.mark.parametrize("user_agent", ["", "curl/8.5", "python-httpx/0.28", "mozilla/5.0"])
def test_a_program_that_accepts_html_gets_json(user_agent: str) -> None:
    assert not prefers(CHROMIUM, user_agent)
    assert not prefers_page({"accept": CHROMIUM})
