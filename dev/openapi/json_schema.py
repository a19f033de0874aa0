"""Shapes of JSON values, as JSON Schema 2020-12 writes them (OpenAPI 3.1 takes it as it is).

Owns the few forms that the description of the API is made of. Records are
closed: a field that nobody described is a defect, and its test fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.spec import Schema
from core.ports import Json

TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
"""How `core.calendar.timestamp` writes a time."""


def described(shape: Schema, description: str) -> Schema:
    """Say what a value means."""
    return {**shape, "description": description}


def record(
    fields: Mapping[str, Schema], description: str = "", optional: Sequence[str] = ()
) -> Schema:
    """An object of these fields and no others; all are there but the `optional` ones."""
    shape: dict[str, Json] = {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }
    return described(shape, description) if description else shape


def part_of(shape: Schema, names: Sequence[str]) -> Schema:
    """A closed object with these fields of another one."""
    return record({name: shape["properties"][name] for name in names})


def list_of(shape: Schema, description: str = "", most: int | None = None) -> Schema:
    """An array of values of one shape, at most `most` of them."""
    found: dict[str, Json] = {"type": "array", "items": shape}
    if most is not None:
        found["maxItems"] = most
    return described(found, description) if description else found


def reference(name: str) -> Schema:
    """The shape that the document keeps under this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", pattern: str | None = None) -> Schema:
    """Any text, or one that a regular expression finds something in."""
    found: dict[str, Json] = {"type": "string"}
    if pattern is not None:
        found["pattern"] = pattern
    return described(found, description) if description else found


def whole(description: str = "", least: int = 0) -> Schema:
    """A whole number from `least`."""
    found = {"type": "integer", "minimum": least}
    return described(found, description) if description else found


def number(description: str = "", least: float | None = 0, most: float | None = None) -> Schema:
    """A number within bounds, None for no bound."""
    found: dict[str, Json] = {"type": "number"}
    if least is not None:
        found["minimum"] = least
    if most is not None:
        found["maximum"] = most
    return described(found, description) if description else found


def truth(description: str = "") -> Schema:
    """True or false."""
    return described({"type": "boolean"}, description) if description else {"type": "boolean"}


def always(value: str | int) -> Schema:
    """This value alone; true and false are numbers, too."""
    return {"const": value}


def one_of(values: Sequence[str], description: str = "") -> Schema:
    """One of these texts."""
    found = {"type": "string", "enum": list(values)}
    return described(found, description) if description else found


def time(description: str = "") -> Schema:
    """A time in UTC with milliseconds."""
    found = {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}
    return described(found, description) if description else found


def or_null(shape: Schema) -> Schema:
    """The shape, or null."""
    if "type" in shape and "enum" not in shape:
        return {**shape, "type": [shape["type"], "null"]}
    return {"anyOf": [shape, {"type": "null"}]}
