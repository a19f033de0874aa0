"""Chromium under Playwright, as tests, benchmark and pictures start it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from dev.setup.chromium import find_chromium

ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The same edges of letters on every machine, for pictures that are compared.
    "--font-render-hinting=none",
    "--disable-lcd-text",
)
"""No request but the page's own, and no more of the machine than a page needs."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium, without a window, for the time of a `with` block.

    Raises:
        SetupError: It is not installed.
    """
    # The sandbox refuses to be started by root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
