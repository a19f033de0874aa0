"""Records that say how an API is called: which fields are valid."""

from __future__ import annotations

from typing import Any

import pytest

from tenants.discovery import NOTHING_KNOWN
from tenants.records import parse_tenant
from tests.unit.tenants.test_records import REQUIRED, reasons


def test_a_record_may_say_nothing() -> None:
    assert parse_tenant(REQUIRED, "r").discovery is NOTHING_KNOWN


INVALID: dict[str, list[Any]] = {
    "methods": [[], ["get"], ["GET", 7], "GET", {}, ["TRACE"], [[]]],
    "mimeType": ["json", "text/", "a/b\n", 7, "a/b,c/d", []],
    "inputSchema": [
        *([], "x", 7, {"x": "y" * 8_000}),
        {"properties": {"a": {"$ref": "https://evil.example/x"}}},
        *({"$ref": "#/$defs/a"}, {"type": "text"}, {"properties": []}, {"required": [1]}),
        *({"items": 7}, {"minimum": "1"}, {"properties": {"a": {"format": []}}}),
        *({"type": {}}, {"type": [[]]}, {"type": None}),
    ],
    "outputSchema": [{"anyOf": [{"$id": "https://evil.example/x"}]}, {"$ref": 7}],
    "example": ["y" * 8_000],
    "tags": ["a", [""], ["a\n"], ["a" * 33], [7], ["a"] * 11, {}],
    "title": ["a\n", "a" * 201, 7],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, found in INVALID.items() for value in found]
)
def test_an_invalid_field_is_rejected(field: str, value: object) -> None:
    (reason,) = reasons(**{field: value})
    assert reason.startswith(f"{field} must be ")


def test_valid_fields_are_kept() -> None:
    schema = {"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}}
    # Indexers get it as a part of another document, where its references would lead nowhere.
    usable = {"properties": {"a": {"type": "string"}}}
    tenant = parse_tenant(
        {
            **REQUIRED,
            "methods": ["POST", "GET", "POST"],
            "mimeType": "text/csv; charset=utf-8",
            "inputSchema": schema,
            "tags": ["a", "b", "a"],
            "title": " Weather ",
            "example": [1, 2],
        },
        "r",
    )
    found = tenant.discovery
    assert (found.methods, found.tags, found.title) == (("POST", "GET"), ("a", "b"), "Weather")
    assert (found.mime_type, found.input_schema) == ("text/csv; charset=utf-8", usable)
    assert (found.input_example, found.output_example) == ({}, [1, 2])
