"""The API reference matches the OpenAPI document, and its examples are real responses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.ports import Response
from dev.layout import HERE
from dev.openapi.document import document
from dev.openapi.generated import are_current, generated_files, worker_module
from dev.openapi.page import page
from dev.openapi.tables import kind, table
from tests.support.openapi_conformance import faults

EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(HERE.api_examples.read_text())
PATHS = {
    operation["operationId"]: (method, path)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "call"])
def test_an_example_matches_the_current_description(name: str) -> None:
    method, path = PATHS[name]
    for example in EXAMPLES[name]:
        # The page omits this header, which is the same in every response.
        headers = {**example["headers"], "x-content-type-options": "nosniff"}
        response = Response(example["status"], tuple(headers.items()), json.dumps(example["body"]))
        assert faults(method.upper(), path, response) == []


def test_every_route_and_every_code_is_on_the_page() -> None:
    text = page(EXAMPLES)
    for path in document()["paths"]:
        assert f"{path}`" in text
    for name, schema in document()["components"]["schemas"].items():
        if name.startswith("Error"):
            assert f"`{schema['properties']['error']['enum'][0]}`" in text


def test_every_link_on_the_page_has_a_target() -> None:
    text = page(EXAMPLES)
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("### ")}
    for part in text.split("](")[1:]:
        target = part.partition(")")[0]
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (HERE.api_reference.parent / target).is_file(), target


@pytest.mark.parametrize("name", ["openapi_module", "api_reference"])
def test_a_generated_file_that_was_edited_is_out_of_date(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = replace(HERE, root=tmp_path)
    for original in (*generated_files(HERE), HERE.api_examples):
        copy = tmp_path / original.relative_to(HERE.root)
        copy.parent.mkdir(parents=True)
        copy.write_text(original.read_text())
    assert are_current(layout)
    edited: Path = getattr(layout, name)
    edited.write_text(edited.read_text() + "More.\n")
    assert not are_current(layout)
    printed = capsys.readouterr().out
    assert printed == f"{edited.relative_to(tmp_path)} is out of date: run python -m dev.openapi.\n"


def test_the_generated_module_holds_the_document_as_compact_json() -> None:
    value = {
        "a": {"b": {"c": {"d": [1, {"e": 'a "quote", a \\ and a\nline'}]}}},
        "f": {},
        "g": 'ü""""',
    }
    module: dict[str, str] = {}
    exec(worker_module(value), module)  # noqa: S102 (our own text)
    assert module["TEXT"] == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_a_bar_in_a_cell_is_escaped() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n|---|---|\n| x\\|y | z |"
    assert table(("a",), []) == ""


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"const": False}, "`false`"),
        ({"type": ["string", "null"], "format": "date-time"}, "time or null"),
        ({"type": "integer", "minimum": 1, "maximum": 2_000}, "whole number, 1 to 2,000"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 9}, "list of text, at most 9"),
        ({"anyOf": [{"$ref": "#/x/Name"}, {"type": "null"}]}, "[Name](#name) or null"),
    ],
)
def test_a_schema_is_described_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind(schema) == words
