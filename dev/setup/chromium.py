"""Installs Chromium for browser tests, benchmarks and screenshots.

It is the distribution's package, because Playwright's own browser would be a download of 150 MB
from a server that not every machine can reach.
"""

import os
import shutil
from pathlib import Path

from dev.errors import SetupError
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.progress import shown

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""Names of the program; the first one found is used."""

MAC_PATHS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

_REMEDY = (
    "Install it, for example with `sudo apt-get install chromium` on Debian, then run the same "
    "command again."
)


def chromium() -> Path | None:
    """Return the path of Chromium, or `None`."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return Path(found)
    return next((Path(path) for path in MAC_PATHS if Path(path).exists()), None)


def find_chromium() -> Path:
    """Return the path of Chromium.

    Raises:
        SetupError: It is not installed.
    """
    program = chromium()
    if program is None:
        raise SetupError(f"Chromium is missing. {_REMEDY}")
    return program


def ensure_chromium(layout: Layout, lock: int) -> None:
    """Install Chromium with apt; requires root.

    Args:
        layout: The clone.
        lock: The set-up lock's file descriptor.

    Raises:
        SetupError: It could not be installed.
    """
    if chromium() is not None:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise SetupError(f"Chromium is missing, and only root can install it. {_REMEDY}")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
    with shown("Installing Chromium"):
        try:
            _apt(layout, install, "apt-chromium", lock)
        except SetupError:
            # The package lists are missing, as in a new image, or outdated.
            _apt(layout, [*apt, "update"], "apt-update", lock)
            _apt(layout, install, "apt-chromium", lock)
        find_chromium()


def _apt(layout: Layout, command: list[str], log_name: str, lock: int) -> None:
    run_tool(
        command,
        log=layout.logs / f"{log_name}.log",
        cwd=layout.root,
        failure=f"apt could not install Chromium. {_REMEDY}",
        environment={"DEBIAN_FRONTEND": "noninteractive"},
        keep_open=[lock],
    )
