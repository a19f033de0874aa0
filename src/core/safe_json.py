"""A JSON parser for texts from others, with a limit to the nesting.

CPython's parser recurses for each level of nesting. In WebAssembly a few thousand levels
overflow the stack, which no `except` catches: the whole isolate is restarted. So the depth
is checked before a text is parsed.
"""

from __future__ import annotations

import json
import re
from math import inf, isfinite, nan

from core.ports import Json

DEPTH_MAX = 100
"""Levels of nesting that are accepted. What this software receives has fewer than ten."""

STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Matches what determines the nesting of a JSON text."""


_DIGITS_MAX = 400
"""More digits than any float has; Python does not parse whole numbers of more than 4,300."""


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is not a number of JSON")
    return number


def _float(text: str) -> float:
    """Parse a number; NaN if it is too small for a float, because it is not zero."""
    number = float(text)
    return number if number or not text.lower().partition("e")[0].strip("-0.") else nan


def _integer(text: str) -> float:
    return int(text) if len(text) <= _DIGITS_MAX else inf


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
_TOLERANT_DECODER = json.JSONDecoder(parse_float=_float, parse_int=_integer)


def read_json(text: str, *, is_finite: bool = True) -> Json:
    """Parse a JSON text of up to `DEPTH_MAX` levels. Raises `ValueError` for any other text.

    If `is_finite`, NaN, Infinity and numbers too large for a float are rejected: Python's own
    parser accepts them, and then writes what other parsers reject. Otherwise such numbers and
    those too small for a float are not finite in the result, so that the caller can reject
    only what contains them.
    """
    if too_deep_at(text) is not None:
        raise ValueError(f"it is nested more than {DEPTH_MAX} levels deep")
    return (_DECODER if is_finite else _TOLERANT_DECODER).decode(text)


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
