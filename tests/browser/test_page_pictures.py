"""The page looks like the accepted screenshots."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from dev.layout import HERE

from . import figures, pictures
from .visit import PHONE, WIDE, Visitor

FOUND = HERE.cache / "pictures"


@pytest.mark.parametrize(
    ("name", "query", "look"),
    [
        ("wide-light", "", {"viewport": WIDE}),
        ("wide-dark", "?window=overall", {"viewport": WIDE, "color_scheme": "dark"}),
        ("phone-light", "?window=week", {"viewport": PHONE}),
        ("ranges-dark", "?window=90d", {"viewport": WIDE, "color_scheme": "dark"}),
    ],
)
def test_the_page_looks_as_accepted(
    visitor: Visitor, name: str, query: str, look: dict[str, Any]
) -> None:
    page = visitor.open(query, **look)
    page.evaluate("document.fonts.ready")
    pictures.compare(name, page.screenshot(animations="disabled"), FOUND)


@pytest.mark.parametrize(
    ("name", "slug", "look"),
    [
        ("api-light", "airports", {"viewport": WIDE}),
        ("api-dark", "airports", {"viewport": WIDE, "color_scheme": "dark"}),
        ("api-phone", "airports", {"viewport": PHONE}),
        ("api-missing", "nothing", {"viewport": WIDE}),
    ],
)
def test_the_page_of_an_api_looks_as_accepted(
    visitor: Visitor, name: str, slug: str, look: dict[str, Any]
) -> None:
    visitor.expected = ("404",)
    page = visitor.page(**look)
    page.goto(f"{visitor.url}/explore/{slug}?range=90d")
    if slug == "airports":
        expect(page.locator("#use .days span")).to_have_count(90)
    page.evaluate("document.fonts.ready")
    # The port differs in each run.
    page.evaluate(
        "() => { for (const code of document.querySelectorAll('code'))"
        " code.textContent = code.textContent.replace(/localhost:\\d+/, 'localhost:8787'); }"
    )
    pictures.compare(name, page.screenshot(animations="disabled", full_page=True), FOUND)


def test_failure_looks_as_accepted(visitor: Visitor) -> None:
    visitor.network = lambda window: figures.failure(window=window)
    page = visitor.open(waits_for="#retry")
    pictures.compare("failed", page.screenshot(animations="disabled"), FOUND)


def test_a_visible_change_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCEPT", raising=False)
    accepted = Image.open(pictures.ACCEPTED / "wide-light.png").convert("RGB")
    accepted.paste((255, 255, 255), (50, 225, 240, 290))
    changed = io.BytesIO()
    accepted.save(changed, "PNG")
    with pytest.raises(AssertionError, match="differs from the accepted picture"):
        pictures.compare("wide-light", changed.getvalue(), tmp_path)
