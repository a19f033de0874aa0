"""JSON from others: read without letting its shape end the isolate.

Owns one guard. CPython's reader calls itself for each level of nesting, and in
WebAssembly a few thousand levels are past the end of the stack, which no
`except` catches: the whole isolate is restarted. So how deep a text goes is
known before it is read.
"""

from __future__ import annotations

import json
import re

from core.ports import Json

DEPTH_MAX = 100
"""Levels of nesting that are read. What this software is sent has fewer than ten."""

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read_json(text: str) -> Json:
    """Read a JSON text of up to `DEPTH_MAX` levels. Raises `ValueError` for any other text."""
    if too_deep_at(text) is not None:
        raise ValueError(f"it is nested more than {DEPTH_MAX} levels deep")
    return json.loads(text)


def too_deep_at(text: str) -> int | None:
    """Find the bracket that opens a level past `DEPTH_MAX`; None when no level is."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return None
    depth = 0
    for part in _STRING_OR_BRACKET.finditer(text):
        if part[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                return part.start()
        elif part[0] in "]}":
            depth -= 1
    return None
