"""JSON from others: read without letting its shape end the isolate.

Owns one guard. CPython's reader calls itself for each level of nesting, and in
WebAssembly a few thousand levels are past the end of the stack, which no
`except` catches: the whole isolate is restarted. So how deep a text goes is
known before it is read.
"""

from __future__ import annotations

import json
import re

from ports import Json

DEPTH_MAX = 100
"""Levels of nesting that are read. What this software is sent has fewer than ten."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def read_json(text: str) -> Json:
    """Read a JSON text of up to `DEPTH_MAX` levels. Raises `ValueError` for any other text."""
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise ValueError(f"it is nested more than {DEPTH_MAX} levels deep")
    return json.loads(text)


def _depth(text: str) -> int:
    """Find the deepest level of a text, as far as it is JSON."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
