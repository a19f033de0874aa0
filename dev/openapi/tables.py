"""Markdown for parts of the OpenAPI document: tables of parameters, fields and answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Part = Mapping[str, Any]

_FORMATS = {"": "text", "date": "date, `YYYY-MM-DD`", "date-time": "time"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; nothing when it has no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join((_row(head), f"|{'---|' * len(head)}", *lines)) if lines else ""


def _row(cells: Iterable[str]) -> str:
    escaped = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {escaped} |"


def parameter_table(parameters: Iterable[Part]) -> str:
    """List the parameters of a route."""
    return table(
        ("parameter", "in", "what it may be", "what it is"),
        (
            (
                f"`{parameter['name']}`" + (", needed" if parameter["required"] else ""),
                parameter["in"],
                kind(parameter["schema"]),
                parameter.get("description") or parameter["schema"].get("description", ""),
            )
            for parameter in parameters
        ),
    )


def field_table(shape: Part) -> str:
    """List the fields of a record, those of records in it with a dot."""
    return table(("field", "what it may be", "what it is"), _fields(shape, ""))


def _fields(shape: Part, prefix: str) -> Iterable[Sequence[str]]:
    for name, field in shape["properties"].items():
        optional = "" if name in shape["required"] else ", not always there"
        meaning = field.get("description", "")
        yield f"`{prefix}{name}`{optional}", kind(field), meaning
        inner = field.get("items", field)
        if inner.get("properties"):
            dots = "[]." if field.get("type") == "array" else "."
            yield from _fields(inner, f"{prefix}{name}{dots}")


def kind(shape: Part) -> str:
    """Say in some words what a value may be."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in shape:
        return f"`{json.dumps(shape['const'])}`"
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"]) + _default(shape)
    for word in ("anyOf", "oneOf"):
        if word in shape:
            return " or ".join(kind(one) for one in shape[word])
    types = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    return " or ".join(_plain(one, shape) for one in types)


def _plain(name: str, shape: Part) -> str:
    match name:
        case "array":
            most = f", at most {shape['maxItems']:,}" if "maxItems" in shape else ""
            return f"list of {kind(shape['items'])}{most}"
        case "integer" | "number":
            word = "whole number" if name == "integer" else "number"
            return word + _bounds(shape) + _default(shape)
        case "string":
            return _FORMATS[shape.get("format", "")]
        case "boolean":
            return "true or false"
        case _:
            return name


def _bounds(shape: Part) -> str:
    if "maximum" in shape:
        return f", {shape['minimum']:,} to {shape['maximum']:,}"
    return f", from {shape['minimum']}" if shape.get("minimum") else ""


def _default(shape: Part) -> str:
    return f"; {shape['default']} if not given" if "default" in shape else ""
