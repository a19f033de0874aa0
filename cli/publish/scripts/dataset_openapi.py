"""Describes the API of a dataset: a row as JSON Schema, and its routes as OpenAPI 3.1.

The parameters and limits are those of `templates/dataset/query.js`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cli.publish.data.table import JSON_TYPE, Column
from cli.publish.openapi import SCHEMA_LENGTH, Description, Operation
from tenants.json_schema import compact_schema

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
LISTED_COLUMNS_MAX: Final = 20
"""Columns whose filters the record lists; OpenAPI lists all."""

_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "text": {"type": "string"},
    "null": {"type": "null"},
    "json": {},
}
_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte")
OPERATORS: Final[Mapping[str, Sequence[str]]] = {
    "integer": (*_COMPARISONS, "null"),
    "number": (*_COMPARISONS, "null"),
    "date": (*_COMPARISONS, "null"),
    "text": (*_COMPARISONS, "contains", "null"),
    "boolean": ("eq", "ne", "null"),
    "null": ("null",),
    "json": ("contains", "null"),
}
_MEANINGS: Final[Mapping[str, str]] = {
    "eq": "Equal.",
    "ne": "Not equal.",
    "gt": "Greater.",
    "gte": "Greater or equal.",
    "lt": "Less.",
    "lte": "Less or equal.",
    "contains": "Contains this text, ignoring case; an array: has this element.",
    "null": "true: null; false: not null.",
}
_PAGE_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": LIMIT_MAX,
        "description": f"Rows per page; the default is {LIMIT_DEFAULT}.",
    },
    "offset": {"type": "integer", "minimum": 0, "description": "The number of rows to skip."},
    "sort": {
        "type": "string",
        "description": "Columns separated by commas; a leading - sorts in descending order.",
    },
    "fields": {"type": "string", "description": "Columns to return, separated by commas."},
}
_PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["ok", "error", "message"],
    "properties": {
        "ok": {"const": False},
        "error": {"type": "string"},
        "message": {"type": "string"},
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"parameter": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_MIME_TYPE = "application/json"


def row_schema(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON Schema of a row."""
    properties: dict[str, Any] = {}
    for one in columns:
        schema: dict[str, Any] = dict(_TYPES[one.type])
        if one.is_nullable and one.type not in {"null", JSON_TYPE}:
            schema["type"] = [schema["type"], "null"]
        if one.unit:
            schema["description"] = f"In {one.unit}."
        properties[one.name] = schema
    return {"type": "object", "properties": properties}


def dataset_openapi(
    columns: Sequence[Column], *, title: str, description: str, id_column: str | None
) -> dict[str, Any]:
    """Return the OpenAPI document of a dataset, without prices and version.

    Args:
        columns: The columns.
        title: The title.
        description: The description.
        id_column: The column that identifies a row; `None` for the row number.
    """
    row = {"$ref": "#/components/schemas/Row"}
    parameters = [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in (*_PAGE_PARAMETERS.items(), *_filters(columns))
    ]
    problem = {"$ref": "#/components/schemas/Problem"}
    identified = id_column or "its number, from 1"
    row_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": description},
        "servers": [{"url": "."}],
        "paths": {
            "/": {
                "get": {
                    "summary": "A page of matching rows.",
                    "parameters": parameters,
                    "responses": {
                        "200": _response(
                            "The page. The Link header has the other pages.", _page(row)
                        ),
                        "400": _response(
                            "The query is invalid; details lists all mistakes.", problem
                        ),
                    },
                }
            },
            "/rows/{id}": {
                "get": {
                    "summary": f"One row by {identified}.",
                    "parameters": [row_id],
                    "responses": {
                        "200": _response("The row.", row),
                        "404": _response("There is no such row.", problem),
                    },
                }
            },
        },
        "components": {"schemas": {"Row": row_schema(columns), "Problem": _PROBLEM}},
    }


def dataset_description(columns: Sequence[Column], title: str) -> Description:
    """Return what the record of a dataset says about its calls."""
    row = row_schema(columns)
    listed = dict(_filters(columns[:LISTED_COLUMNS_MAX], operators=("eq",)))
    query = {"type": "object", "properties": {**_PAGE_PARAMETERS, **listed}}
    described: Sequence[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("/", query, _page(row)),
        ("/rows/{id}", {"type": "object"}, row),
    ]
    operations = [
        Operation(
            path,
            ["GET", "HEAD"],
            compact_schema(wanted, SCHEMA_LENGTH),
            compact_schema(returned, SCHEMA_LENGTH),
            mime_type=_MIME_TYPE,
        )
        for path, wanted, returned in described
    ]
    return Description(operations, title, ["dataset"], is_complete=True)


def _filters(
    columns: Sequence[Column], operators: Sequence[str] = tuple(_MEANINGS)
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and schema of each parameter that filters rows."""
    for column in columns:
        for operator in OPERATORS[column.type]:
            if operator in operators:
                type_name = "text" if operator == "contains" else column.type
                schema = _TYPES["boolean" if operator == "null" else type_name]
                is_short = operator == "eq" and column.name not in _PAGE_PARAMETERS
                name = column.name if is_short else f"{column.name}[{operator}]"
                yield name, {**schema, "description": _MEANINGS[operator]}


def _page(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["rows", "total", "limit", "offset", "next"],
        "properties": {
            "rows": {"type": "array", "items": row},
            "total": {"type": "integer", "description": "The number of matching rows."},
            "limit": {"type": "integer"},
            "offset": {"type": "integer"},
            "next": {"type": ["string", "null"], "description": "The query of the next page."},
        },
    }


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_MIME_TYPE: {"schema": schema}}}
