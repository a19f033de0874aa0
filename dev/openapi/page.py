"""Renders the API reference page as Markdown."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dev.openapi.document import document
from dev.openapi.tables import Part, field_table, kind, parameter_table, table

METHODS = ("get", "post", "put", "patch", "delete", "options", "head")

FURTHER = {
    "health": "What each invariant means and what to do about it: [health](health.md).",
    "settlements": "How payments work: [payments](../payments.md).",
    "reconciliation": "What is compared: [the ledger](ledger.md).",
    "explore": "Every field, and the cache lifetimes: [explore](explore.md).",
    "metrics": "Every metric and its type: [logs and metrics](../observability.md).",
    "call": "Payments: [payments](../payments.md). Rates, quotas and caps: [limits](../limits.md).",
}
"""Links to other pages, by the operation's id."""

_HEAD = """\
# The API

<!-- Written by `python -m dev.openapi` from the OpenAPI document and recorded responses. -->

This page is the OpenAPI 3.1 document that the dispatcher serves at `/__platform/openapi.json`.
"""


def page(examples: Mapping[str, Sequence[Part]]) -> str:
    """Return the page.

    Args:
        examples: Recorded responses by the operation's id.
    """
    return "\n\n".join(part for part in _parts(document(), examples) if part) + "\n"


def _parts(document: Part, examples: Mapping[str, Sequence[Part]]) -> Iterator[str]:
    yield _HEAD.strip()
    yield document["info"]["description"].strip()
    yield "## Routes"
    yield table(("route", "purpose", "token scope"), _overview(document))
    for path, item in document["paths"].items():
        yield from _route(document, path, item, examples)
    yield "## Errors"
    yield table(("status", "code", "fields beside `message`"), _errors(document))
    yield "## Headers"
    yield table(
        ("header", "meaning"),
        (
            (f"`{name}`", header["description"])
            for name, header in document["components"]["headers"].items()
        ),
    )
    yield "## Schemas"
    yield "Fields may be added; no field is renamed or removed."
    for name, schema in document["components"]["schemas"].items():
        if not name.startswith("Error"):
            yield from _schema(name, schema)


def _overview(document: Part) -> Iterable[Sequence[str]]:
    for path, item in document["paths"].items():
        operation = next(item[method] for method in METHODS if method in item)
        scopes = [scope for one in operation["security"][:1] for scope in one["bearer"]]
        yield f"`{_method(item)} {path}`", operation["summary"], ", ".join(scopes) or "no token"


def _method(item: Part) -> str:
    methods = [method.upper() for method in METHODS if method in item]
    return methods[0] if len(methods) <= 2 else "any method"


def _route(
    document: Part, path: str, item: Part, examples: Mapping[str, Sequence[Part]]
) -> Iterator[str]:
    operation = next(item[method] for method in METHODS if method in item)
    name = operation["operationId"]
    yield f"### `{_method(item)} {path}`"
    yield f"{operation['summary']}. {operation.get('description', '')}".strip()
    yield FURTHER.get(name, "")
    yield parameter_table(item.get("parameters", ()))
    yield table(("status", "response"), _responses(document, operation))
    for example in examples.get(name, ()):
        yield _example(example)


def _responses(document: Part, operation: Part) -> Iterable[Sequence[str]]:
    for status, response in operation["responses"].items():
        found = response
        if "$ref" in response:
            found = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        text = found["description"]
        if "$ref" not in response:
            for content in found.get("content", {}).values():
                text += f" {kind(content['schema'])}"
        yield status if status != "default" else "any", text


def _errors(document: Part) -> Iterable[Sequence[str]]:
    schemas = document["components"]["schemas"]
    statuses: dict[str, str] = {"ErrorNotFound": "404", "ErrorTenantNotFound": "404"}
    for item in document["paths"].values():
        for operation in (item[method] for method in METHODS if method in item):
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    names = response["$ref"].rpartition("/")[2].split("OrError")
                    statuses |= {f"Error{name.removeprefix('Error')}": status for name in names}
    usual = ("ok", "error", "requestId", "message")
    rows = []
    for name, status in statuses.items():
        fields = schemas[name]["properties"]
        code = fields["error"]["enum"][0]
        beside = (
            f"`{field}`: {schema.get('description', kind(schema))}"
            for field, schema in fields.items()
            if field not in usual
        )
        rows.append((status, f"`{code}`", " ".join(beside)))
    return sorted(rows)


def _schema(name: str, schema: Part) -> Iterator[str]:
    yield f"### {name}"
    yield schema.get("description", "")
    yield field_table(schema) if schema.get("properties") else f"{kind(schema)}"


def _example(example: Part) -> str:
    lines = [f"{name}: {value}" for name, value in example["headers"].items()]
    body: Any = example.get("body")
    text = "" if body is None else "\n" + json.dumps(body, indent=2, ensure_ascii=False)
    response = "\n".join((f"HTTP/1.1 {example['status']}", *lines)) + "\n" + text
    return f"```sh\n{example['command']}\n```\n\n```\n{response.rstrip()}\n```"
