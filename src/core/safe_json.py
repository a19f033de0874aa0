"""A JSON parser for texts from others, with a limit to the nesting.

CPython's parser recurses for each level of nesting. In WebAssembly a few thousand levels
overflow the stack, which no `except` catches: the whole isolate is restarted. So the depth
is checked before a text is parsed.
"""

from __future__ import annotations

import json
import re
from math import isfinite

from core.ports import Json

DEPTH_MAX = 100
"""Levels of nesting that are accepted. What this software receives has fewer than ten."""

STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Matches what determines the nesting of a JSON text."""


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is not a number of JSON")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def read_json(text: str, *, is_finite: bool = True) -> Json:
    """Parse a JSON text of up to `DEPTH_MAX` levels. Raises `ValueError` for any other text.

    If `is_finite`, NaN, Infinity and numbers too large for a float are rejected: Python's own
    parser accepts them, and then writes what other parsers reject.
    """
    if too_deep_at(text) is not None:
        raise ValueError(f"it is nested more than {DEPTH_MAX} levels deep")
    return _DECODER.decode(text) if is_finite else json.loads(text)


def too_deep_at(text: str) -> int | None:
    """Return the index of the first bracket that exceeds `DEPTH_MAX`; None if there is none."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return None
    depth = 0
    for part in STRING_OR_BRACKET.finditer(text):
        if part[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                return part.start()
        elif part[0] in "]}":
            depth -= 1
    return None
