"""Filters wrangler's output and explains its failures."""

import re

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_READY = re.compile(r"Ready on https?://[^\s/]+:(\d+)")
_ERROR = re.compile(r"✘ \[ERROR\] (.+)")
_PYTHON_ERROR = re.compile(r"^\s+((?:\w+\.)*\w*(?:Error|Exception|Warning)\b:? ?.*)$")
_EXPLAINED = {
    "Request for Pyodide bundle failed": (
        "Cloudflare's Pyodide bundle cannot be downloaded: check the network, or run with "
        "RUNTIME=local."
    ),
}
_NOISE_STARTS = (
    "┌",
    "│",
    "├",
    "└",
    "─",
    "⎔ Starting",
    "Attaching additional",
    "Your Worker has access",
)
_NOISE_TEXTS = ("Ready on http", "GET /health 200", "🪵", "wrangler/issues", "workers-sdk/issues")
_DECORATED = re.compile(r"^[▲✘] \[(?:WARNING|ERROR)\] (\{.*\})$")
_BINDINGS_TABLE = re.compile(r"^(Binding\s+Resource|env\.\w+ )")


def without_escapes(line: str) -> str:
    """Return a line without its terminal colours and line end."""
    return _ESCAPES.sub("", line).rstrip()


def without_prefix(line: str) -> str:
    """Remove the prefix that wrangler adds to the Worker's own warnings and errors, which are JSON.

    Other lines are returned unchanged.
    """
    match = _DECORATED.match(line)
    return match.group(1) if match else line


def ready_port(line: str) -> int | None:
    """Return the port of wrangler's "Ready on" line, or `None` for any other line."""
    match = _READY.search(line)
    return int(match.group(1)) if match else None


def failure_reason(lines: list[str]) -> str:
    """Return in a few words why wrangler stopped.

    Preferred is a known text with an explanation, then a Python exception, then the first of
    wrangler's errors.

    Args:
        lines: Its output, without escapes.
    """
    for text, meaning in _EXPLAINED.items():
        if any(text in line for line in lines):
            return meaning
    for line in reversed(lines):
        match = _PYTHON_ERROR.match(line)
        if match:
            return match.group(1).strip()
    for line in lines:
        match = _ERROR.search(line)
        if match:
            return match.group(1).strip()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


class TerminalFilter:
    """Selects the lines of wrangler's output to print.

    It hides the tables of bindings and modules, and the warning about "unsafe" fields, which
    the development configuration needs.
    """

    def __init__(self) -> None:
        """Start outside of a warning."""
        self._in_warning = False

    def shows(self, line: str) -> bool:
        """Return whether to print a line; lines must be passed in order."""
        if self._in_warning:
            self._in_warning = not _starts_block(line)
            if self._in_warning:
                return False
        if "[WARNING]" in line and ("unsafe" in line or "Processing wrangler.json" in line):
            self._in_warning = True
            return False
        if not line.strip() or line.startswith(_NOISE_STARTS) or _BINDINGS_TABLE.match(line):
            return False
        return not any(text in line for text in _NOISE_TEXTS)


def _starts_block(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(" ")
