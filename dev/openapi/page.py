"""The whole page, as Markdown."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dev.openapi.document import document
from dev.openapi.tables import Part, field_table, kind, parameter_table, table

METHODS = ("get", "post", "put", "patch", "delete", "options", "head")

FURTHER = {
    "health": "What each invariant means and what to do about it: [health](health.md).",
    "settlements": "How payments come about: [payments](../payments.md).",
    "reconciliation": "What is on both sides: [the ledger](ledger.md).",
    "explore": "What is kept for how long, and every field: [explore](explore.md).",
    "metrics": "Every metric and its type: [logs and metrics](../observability.md).",
    "call": "Payments: [payments](../payments.md). Rates, quotas and caps: [limits](../limits.md).",
}
"""What other pages say of a route, by its operation's name."""

_HEAD = """\
# The API

<!-- Written by `python -m dev.openapi` from the OpenAPI document and recorded answers. -->

The same as the OpenAPI 3.1 document that the dispatcher gives at `/__platform/openapi.json`.
"""


def page(examples: Mapping[str, Sequence[Part]]) -> str:
    """Write the page.

    Args:
        examples: Recorded answers by the name of their operation.
    """
    return "\n\n".join(part for part in _parts(document(), examples) if part) + "\n"


def _parts(document: Part, examples: Mapping[str, Sequence[Part]]) -> Iterator[str]:
    yield _HEAD.strip()
    yield document["info"]["description"].strip()
    yield "## Routes"
    yield table(("route", "what it gives", "scope of the token"), _overview(document))
    for path, item in document["paths"].items():
        yield from _route(document, path, item, examples)
    yield "## Errors"
    yield table(("status", "code", "beside `message`"), _errors(document))
    yield "## Headers"
    yield table(
        ("header", "what it says"),
        (
            (f"`{name}`", header["description"])
            for name, header in document["components"]["headers"].items()
        ),
    )
    yield "## Shapes"
    yield "Fields may be added; none is renamed or dropped."
    for name, shape in document["components"]["schemas"].items():
        if not name.startswith("Error"):
            yield from _shape(name, shape)


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
    yield table(("status", "answer"), _answers(document, operation))
    for example in examples.get(name, ()):
        yield _example(example)


def _answers(document: Part, operation: Part) -> Iterable[Sequence[str]]:
    for status, answer in operation["responses"].items():
        found = answer
        if "$ref" in answer:
            found = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        text = found["description"]
        if "$ref" not in answer:
            for content in found.get("content", {}).values():
                text += f" {kind(content['schema'])}"
        yield status if status != "default" else "any", text


def _errors(document: Part) -> Iterable[Sequence[str]]:
    schemas = document["components"]["schemas"]
    statuses: dict[str, str] = {"ErrorNotFound": "404", "ErrorTenantNotFound": "404"}
    for item in document["paths"].values():
        for operation in (item[method] for method in METHODS if method in item):
            for status, answer in operation["responses"].items():
                if "$ref" in answer:
                    names = answer["$ref"].rpartition("/")[2].split("OrError")
                    statuses |= {f"Error{name.removeprefix('Error')}": status for name in names}
    usual = ("ok", "error", "requestId", "message")
    rows = []
    for name, status in statuses.items():
        fields = schemas[name]["properties"]
        code = fields["error"]["enum"][0]
        beside = (
            f"`{field}`: {shape.get('description', kind(shape))}"
            for field, shape in fields.items()
            if field not in usual
        )
        rows.append((status, f"`{code}`", " ".join(beside)))
    return sorted(rows)


def _shape(name: str, shape: Part) -> Iterator[str]:
    yield f"### {name}"
    yield shape.get("description", "")
    yield field_table(shape) if shape.get("properties") else f"{kind(shape)}"


def _example(example: Part) -> str:
    lines = [f"{name}: {value}" for name, value in example["headers"].items()]
    body: Any = example.get("body")
    text = "" if body is None else "\n" + json.dumps(body, indent=2, ensure_ascii=False)
    answer = "\n".join((f"HTTP/1.1 {example['status']}", *lines)) + "\n" + text
    return f"```sh\n{example['command']}\n```\n\n```\n{answer.rstrip()}\n```"
