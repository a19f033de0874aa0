"""Starts Chromium with Playwright for tests, benchmarks and screenshots."""

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
    # Makes text render the same on every machine, because screenshots are compared.
    "--font-render-hinting=none",
    "--disable-lcd-text",
)
"""Disable background requests and unneeded features."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run headless Chromium during a `with` block.

    Raises:
        SetupError: Chromium is not installed.
    """
    # The sandbox cannot be used by root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
