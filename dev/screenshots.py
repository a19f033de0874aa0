"""`python -m dev.screenshots`: takes the screenshots of `/explore` and of three API pages.

The dispatcher is the one at `URL`, or at `PORT` on this machine. Run `make dev PAYMENTS=1` and
`make demo HISTORY=90` first, so that the pages have data.
"""

import io
import os
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser
from playwright.sync_api import Error as BrowserError

from dev.browser import running_browser
from dev.errors import ServerError, run_command_line
from dev.launch.options import DEFAULT_PORT
from dev.layout import HERE

FOLDER = HERE.root / "docs" / "images"
COLOURS = 192
"""The number of colours of a picture; it reduces the file to a third of the size."""

WIDE = {"viewport": {"width": 1280, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "explore-light": ("?window=30d", {**WIDE, "color_scheme": "light"}),
    "explore-dark": ("?window=overall", {**WIDE, "color_scheme": "dark"}),
    "explore-phone": ("", {**PHONE, "color_scheme": "light"}),
    "api-priced": ("/rates?range=30d", {**WIDE, "color_scheme": "light"}),
    "api-free": ("/feasts?range=90d", {**WIDE, "color_scheme": "dark"}),
    "api-phone": ("/exchange", {**PHONE, "color_scheme": "light"}),
}
"""What follows `/explore`, and the browser settings of each picture."""


def main() -> int:
    """Take all screenshots."""
    url = os.environ.get("URL") or f"http://localhost:{os.environ.get('PORT') or DEFAULT_PORT}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_browser() as browser:
        for name, (path, settings) in PICTURES.items():
            file = FOLDER / f"{name}.png"
            take(browser, f"{url.rstrip('/')}/explore{path}", settings, file)
            print(f"{file.relative_to(HERE.root)}: {file.stat().st_size / 1_000:.0f} kB")
    return 0


def take(browser: Browser, address: str, settings: dict[str, Any], file: Path) -> None:
    """Take one screenshot.

    Args:
        browser: Chromium.
        address: The page.
        settings: Playwright's options for the browser context.
        file: The PNG file to write.

    Raises:
        ServerError: The page does not load, or shows no APIs.
    """
    context = browser.new_context(reduced_motion="reduce", **settings)
    try:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#rows tr, #use .days", timeout=15_000)
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    except BrowserError as error:
        raise ServerError(
            f"{address} shows no figures: start `make dev PAYMENTS=1`, then `make demo HISTORY=90`."
        ) from error
    finally:
        context.close()
    picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(run_command_line(main))
