"""Accessibility: axe finds no violation in any state, colours or width."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dev.layout import HERE

from . import figures
from .visit import PHONE, WIDE, Visitor

AXE = (HERE.node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
LOOKS = [
    pytest.param({"color_scheme": scheme, "viewport": size}, id=f"{scheme}-{name}")
    for scheme in ("light", "dark")
    for name, size in (("wide", WIDE), ("phone", PHONE))
]


def violations(page: Page) -> list[str]:
    """Run axe with every rule of WCAG 2.2 AA and its best practices."""
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:200] for node in rule['nodes']]}"
        for rule in found
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_the_page(visitor: Visitor, look: dict[str, Any]) -> None:
    page = visitor.open("?window=week", **look)
    page.get_by_text("Show as a table").click()
    page.locator(".category", has_text="Data").click()
    page.locator("#rows .owner").first.click()
    expect(page.locator("#chips li")).to_have_count(2)
    assert violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("slug", ["airports", "nothing"])
def test_axe_finds_nothing_on_the_page_of_an_api(
    visitor: Visitor, look: dict[str, Any], slug: str
) -> None:
    visitor.expected = ("404",)
    page = visitor.page(**look)
    page.goto(f"{visitor.url}/explore/{slug}")
    if slug == "airports":
        expect(page.locator("#use .days span")).to_have_count(90)
    assert violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_after_failures(visitor: Visitor, look: dict[str, Any]) -> None:
    visitor.network = lambda window: figures.failure(window=window)
    page = visitor.open(waits_for="#retry", **look)
    assert violations(page) == []
    behind = {"asOf": "2026-11-22T14:04:00Z", "complete": False, "lagSeconds": 999}
    visitor.network = lambda window: figures.response(window, apis=0, freshness=behind)
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("#nothing")
    assert violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_the_ranking_page(visitor: Visitor, look: dict[str, Any]) -> None:
    page = visitor.page(**look)
    page.goto(f"{visitor.url}/explore/about/ranking")
    assert violations(page) == []


def test_reduced_motion_disables_animations(visitor: Visitor) -> None:
    moving = "document.getAnimations().filter(one => one.playState === 'running').length"
    page = visitor.open(reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    page = visitor.open(reduced_motion="no-preference")
    assert page.evaluate(moving) == 1


def test_no_width_scrolls_sideways(visitor: Visitor) -> None:
    page = visitor.open()
    for width in (320, 390, 640, 820, 1024, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
