"""Builds JSON Schemas (2020-12, as in OpenAPI 3.1).

Objects are closed: a response with a field that is not described fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.spec import Schema
from core.ports import Json

TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
"""The format of `core.calendar.timestamp`."""


def described(schema: Schema, description: str) -> Schema:
    """Add a description."""
    return {**schema, "description": description}


def record(
    fields: Mapping[str, Schema], description: str = "", optional: Sequence[str] = ()
) -> Schema:
    """Return an object with exactly these fields, of which `optional` ones may be absent."""
    schema: dict[str, Json] = {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }
    return described(schema, description) if description else schema


def part_of(schema: Schema, names: Sequence[str]) -> Schema:
    """Return an object with some fields of another object."""
    return record({name: schema["properties"][name] for name in names})


def list_of(items: Schema, description: str = "", most: int | None = None) -> Schema:
    """Return an array of at most `most` values of one schema."""
    schema: dict[str, Json] = {"type": "array", "items": items}
    if most is not None:
        schema["maxItems"] = most
    return described(schema, description) if description else schema


def reference(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", pattern: str | None = None) -> Schema:
    """Return a string, which `pattern` must match if there is one."""
    schema: dict[str, Json] = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = pattern
    return described(schema, description) if description else schema


def whole(description: str = "", least: int = 0) -> Schema:
    """Return a whole number of at least `least`."""
    schema = {"type": "integer", "minimum": least}
    return described(schema, description) if description else schema


def number(description: str = "", least: float | None = 0, most: float | None = None) -> Schema:
    """Return a number within bounds; None is no bound."""
    schema: dict[str, Json] = {"type": "number"}
    if least is not None:
        schema["minimum"] = least
    if most is not None:
        schema["maximum"] = most
    return described(schema, description) if description else schema


def truth(description: str = "") -> Schema:
    """Return a boolean."""
    return described({"type": "boolean"}, description) if description else {"type": "boolean"}


def always(value: str | int) -> Schema:
    """Return a constant."""
    return {"const": value}


def one_of(values: Sequence[str], description: str = "") -> Schema:
    """Return one of these strings."""
    schema = {"type": "string", "enum": list(values)}
    return described(schema, description) if description else schema


def time(description: str = "") -> Schema:
    """Return a time in UTC with milliseconds."""
    schema = {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}
    return described(schema, description) if description else schema


def or_null(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
