"""Markdown tables of parameters and fields of the OpenAPI document."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Part = Mapping[str, Any]

_FORMATS = {"": "text", "date": "date, `YYYY-MM-DD`", "date-time": "time"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; an empty text if it has no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join((_row(head), f"|{'---|' * len(head)}", *lines)) if lines else ""


def _row(cells: Iterable[str]) -> str:
    escaped = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {escaped} |"


def parameter_table(parameters: Iterable[Part]) -> str:
    """Return a table of a route's parameters."""
    return table(
        ("parameter", "in", "type", "meaning"),
        (
            (
                f"`{parameter['name']}`" + (", required" if parameter["required"] else ""),
                parameter["in"],
                kind(parameter["schema"]),
                parameter.get("description") or parameter["schema"].get("description", ""),
            )
            for parameter in parameters
        ),
    )


def field_table(schema: Part) -> str:
    """Return a table of an object's fields; fields of nested objects have dotted names."""
    return table(("field", "type", "meaning"), _fields(schema, ""))


def _fields(schema: Part, prefix: str) -> Iterable[Sequence[str]]:
    for name, field in schema["properties"].items():
        optional = "" if name in schema["required"] else ", optional"
        meaning = field.get("description", "")
        yield f"`{prefix}{name}`{optional}", kind(field), meaning
        inner = field.get("items", field)
        if inner.get("properties"):
            dots = "[]." if field.get("type") == "array" else "."
            yield from _fields(inner, f"{prefix}{name}{dots}")


def kind(schema: Part) -> str:
    """Return a schema's type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"]) + _default(schema)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(kind(one) for one in schema[word])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_plain(one, schema) for one in types)


def _plain(name: str, schema: Part) -> str:
    match name:
        case "array":
            most = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
            return f"list of {kind(schema['items'])}{most}"
        case "integer" | "number":
            word = "whole number" if name == "integer" else "number"
            return word + _bounds(schema) + _default(schema)
        case "string":
            return _FORMATS[schema.get("format", "")]
        case "boolean":
            return "true or false"
        case _:
            return name


def _bounds(schema: Part) -> str:
    if "maximum" in schema:
        return f", {schema['minimum']:,} to {schema['maximum']:,}"
    return f", from {schema['minimum']}" if schema.get("minimum") else ""


def _default(schema: Part) -> str:
    return f"; {schema['default']} by default" if "default" in schema else ""
