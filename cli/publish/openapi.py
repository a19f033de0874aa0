"""What an OpenAPI document says about an API, and the same document with its prices.

Of OpenAPI 3.0 what differs from JSON Schema is rewritten.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from cli.errors import InputError
from tenants.json_schema import compact_schema, fits, referred, usable_schema
from tenants.pricing import price_for_indexers
from tenants.records import Tenant

METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options")
SCHEMA_LENGTH: Final = 1_500
EXAMPLE_LENGTH: Final = 800
"""Characters as JSON that are taken of a schema and of an example, so that a 402 has both."""

Priced = Callable[[dict[str, Any]], dict[str, Any]]
"""Adds prices to an OpenAPI document."""

TAGS_MAX: Final = 5
_REFERENCES_MAX = 10
_PARAMETER = re.compile(r"\{([^{}/]*)\}")
_BODY_METHODS = ("post", "put", "patch")


@dataclass(frozen=True, slots=True)
class Operation:
    """How the requests to one path are called, by the first of its methods.

    Args:
        path: The path as in `routes`.
        methods: All methods of the path, in capital letters.
        input_schema: JSON Schema of the query, or of the body; `None` if not described.
        output_schema: JSON Schema of the response; `None` if not described.
        input_example: A value of the first, or `None`.
        output_example: A value of the second, or `None`.
        mime_type: The media type of the response; may be empty.
    """

    path: str
    methods: Sequence[str]
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    input_example: Any = None
    output_example: Any = None
    mime_type: str = ""

    def compact(self, length: int) -> "Operation":
        """Return it with schemas and examples of at most about so many characters as JSON."""
        wanted, returned = (
            None if schema is None else compact_schema(schema, length)
            for schema in (self.input_schema, self.output_schema)
        )
        sent, received = (
            None if len(json.dumps(example)) > length else example
            for example in (self.input_example, self.output_example)
        )
        return replace(
            self,
            input_schema=wanted,
            output_schema=returned,
            input_example=sent,
            output_example=received,
        )

    @property
    def fields(self) -> dict[str, Any]:
        """What it says, as fields of a record or a route."""
        examples = {"input": self.input_example, "output": self.output_example}
        given = {name: value for name, value in examples.items() if value is not None}
        found = {
            "methods": [*self.methods],
            "mimeType": self.mime_type,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "example": given,
        }
        return {name: value for name, value in found.items() if value not in (None, "", {}, [])}


@dataclass(frozen=True, slots=True)
class Description:
    """What an API says about itself.

    Args:
        operations: Its paths; the first describes the API as a whole.
        title: Its name; may be empty.
        tags: What it is about.
        is_complete: Whether its OpenAPI document was read.
    """

    operations: Sequence[Operation] = ()
    title: str = ""
    tags: Sequence[str] = ()
    is_complete: bool = False


def own_openapi(
    document: Mapping[str, Any], target: str = "", methods: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return a valid OpenAPI document with the paths of requests to the API.

    Args:
        document: The document.
        target: The URL to whose path the script appends that of a request; may be empty.
        methods: The methods that the script serves, in capital letters; `None` for all.

    Raises:
        InputError: The script serves none of its operations.
    """
    base_path = urlsplit(target).path.rstrip("/")
    paths: dict[str, Any] = {}
    for path, item in document["paths"].items():
        own = _own_path(document, path, base_path)
        served = {
            name: part
            for name, part in item.items()
            if name not in METHODS or methods is None or name.upper() in methods
        }
        if own is not None and any(name in METHODS for name in served):
            paths[own] = served
    if not paths:
        raise InputError(
            "The API serves no operation of the OpenAPI document.",
            f"--wrap and --method forward {', '.join(methods or ['all methods'])} to {target}.",
        )
    return {**document, "paths": paths, "servers": [{"url": "."}]}


def described_by(document: Mapping[str, Any]) -> Description:
    """Return what a document of `own_openapi` says."""
    info = document["info"]
    found = [
        replace(one, path=_PARAMETER.sub(lambda name: "{" + _name(name[1]) + "}", one.path))
        for one in _operations(as_json_schema(document))
    ]
    named = [one.get("name") for one in document.get("tags", []) if isinstance(one, dict)]
    tags = [tag for tag in named if isinstance(tag, str) and 0 < len(tag) <= 32 and tag.isascii()]
    title = " ".join(str(info.get("title", "")).split())[:100]
    return Description(found, title, tags[:TAGS_MAX], is_complete=True)


def priced_document(document: Mapping[str, Any], tenant: Tenant) -> dict[str, Any]:
    """Return an OpenAPI document with the price of each operation, as indexers read it.

    Its operations need no other authorization, and have the parameters of their path.
    Source: the specification in the npm package @agentcash/discovery 1.7.5.
    """
    paths = {
        path: {
            name: _priced(_with_parameters(part, item), tenant, name, path)
            for name, part in item.items()
            if name in METHODS
        }
        for path, item in document["paths"].items()
    }
    rest = {name: value for name, value in document.items() if name != "security"}
    return {**rest, "paths": paths}


def _with_parameters(operation: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the parameters of a path; those of the operation come first, so they count."""
    parameters = [*operation.get("parameters", []), *item.get("parameters", [])]
    return {**operation, "parameters": parameters} if parameters else operation


def _priced(operation: Mapping[str, Any], tenant: Tenant, method: str, path: str) -> dict[str, Any]:
    found = {**operation, "security": []}
    price = tenant.at(method.upper(), [_PARAMETER.sub("x", path)])
    if not price.is_priced:
        return found
    info = {
        "price": price_for_indexers(price.price_micros, price.accepts),
        "protocols": [{"x402": {}}],
    }
    responses = {**operation.get("responses", {}), "402": {"description": "Payment required."}}
    return {**found, "responses": responses, "x-payment-info": info}


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        methods = [name for name in item if name in METHODS]
        if methods:
            found = operation_of(document, path, item, methods[0])
            yield replace(found, methods=[name.upper() for name in methods])


def operation_of(
    document: Mapping[str, Any], path: str, item: Mapping[str, Any], method: str
) -> Operation:
    """Describe one operation. Raises `UnusableSchema`, and what malformed parts cause."""
    operation = item[method]
    if method in _BODY_METHODS:
        body = _resolved(document, operation.get("requestBody", {}))
        given, given_example, _ = _content(document, body)
    else:
        listed = [*item.get("parameters", []), *operation.get("parameters", [])]
        given, given_example = _query(document, listed), None
    responses = operation.get("responses", {})
    successes = [name for name, _ in responses.items() if str(name).startswith("2")]
    response = _resolved(document, responses[successes[0]]) if successes else {}
    returned, returned_example, mime_type = _content(document, response)
    return Operation(
        path,
        [method.upper()],
        given,
        returned,
        _fitting(given_example, given),
        _fitting(returned_example, returned),
        mime_type,
    )


def _query(document: Mapping[str, Any], listed: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return the schema of the query; None if there are no such parameters."""
    parts: dict[str, Any] = {}
    required = []
    for one in listed:
        parameter = _resolved(document, one)
        if parameter["in"] != "query":
            continue
        schema = dict(usable_schema(parameter.get("schema", {}), document))
        for name in ("description", "example"):
            if name in parameter:
                schema.setdefault(name, parameter[name])
        parts[parameter["name"]] = schema
        if parameter.get("required") is True:
            required.append(parameter["name"])
    schema = {"type": "object", "properties": parts} | ({"required": required} if required else {})
    return compact_schema(schema, SCHEMA_LENGTH) if parts else None


def _content(
    document: Mapping[str, Any], described: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, Any, str]:
    """Return schema, example and media type of a body."""
    content = described.get("content", {})
    mime_type = next((name for name in content if "json" in name), next(iter(content), ""))
    if not mime_type:
        return None, None, ""
    media = content[mime_type]
    examples = [_resolved(document, one) for one in media.get("examples", {}).values()]
    example = media.get("example", examples[0].get("value") if examples else None)
    mime_type = mime_type if "*" not in mime_type else ""
    if "schema" not in media:
        return None, example, mime_type
    schema = compact_schema(usable_schema(media["schema"], document), SCHEMA_LENGTH)
    return schema, example, mime_type


def _fitting(example: Any, schema: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 (any JSON)
    """Return an example if it is short and certainly fits; None to have one made."""
    is_short = len(json.dumps(example)) <= EXAMPLE_LENGTH
    return example if is_short and fits(example, schema or {}) else None


def _resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a parameter, body or response, or what it refers to."""
    found: Any = part
    for _ in range(_REFERENCES_MAX):
        if "$ref" not in found:
            break
        found = referred(found["$ref"], document)
    return dict(found)


def as_json_schema(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Rewrite what OpenAPI 3.0 has in place of JSON Schema's keywords."""
    if isinstance(value, list):
        return [as_json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: as_json_schema(one) for name, one in value.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for name in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(found.get(name), bool):
            del found[name]
    return {name: one for name, one in found.items() if name != "nullable" or one not in (0, 1)}


def _own_path(document: Mapping[str, Any], path: str, base_path: str) -> str | None:
    """Return the path of a request to the API; None if the API does not serve it."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    prefix = urlsplit(url).path.rstrip("/")
    own = path
    if prefix.startswith("/"):
        whole = prefix + path
        if not f"{whole}/".startswith(f"{base_path}/"):
            return None
        own = whole.removeprefix(base_path) or "/"
    return own


def _name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "value"
    return name if not name[0].isdigit() else f"_{name}"
