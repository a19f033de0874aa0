"""Checks and shows values of JSON."""

import json
import math
from typing import Any, Final

from cli.located_json import Repeated, Rounded
from cli.publish.data.table import INTEGER_MAX

SHOWN_LENGTH: Final = 40


def shown(value: Any) -> str:  # noqa: ANN401 (anything JSON has)
    """Return a value as JSON of bounded length."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, Rounded) else value.text
    return text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…"


def is_inexact(value: object) -> bool:
    """Return whether a JavaScript program would read another number."""
    if isinstance(value, float):
        return isinstance(value, Rounded) or not math.isfinite(value)
    return type(value) is int and abs(value) > INTEGER_MAX


def nested_mistake(value: Any) -> str:  # noqa: ANN401 (anything JSON has)
    """Return what is wrong in a value that is kept as JSON; empty if nothing is."""
    if is_inexact(value):
        return f"has {shown(value)}, which a number in JSON does not preserve"
    if isinstance(value, Repeated):
        return "has an object in which a name is repeated"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(nested_mistake, inner)), "")
