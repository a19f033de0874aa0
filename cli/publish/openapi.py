"""Reads an OpenAPI document of an API, and adds its prices to it.

Of OpenAPI 3.0 what differs from JSON Schema is rewritten.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from cli.errors import InputError, NetworkError
from cli.publish.validation import Findings
from core.safe_json import read_json
from tenants.json_schema import UnusableSchema, compact_schema, fits, referred, usable_schema
from tenants.records import Tenant

BYTES_MAX: Final = 2 * 1024 * 1024
METHODS: Final = ("get", "head", "post", "put", "patch", "delete", "options")
SCHEMA_LENGTH: Final = 1_500
EXAMPLE_LENGTH: Final = 800
"""Characters as JSON that are taken of a schema and of an example, so that a 402 has both."""

Priced = Callable[[dict[str, Any]], dict[str, Any]]
"""Adds prices to an OpenAPI document."""

TAGS_MAX: Final = 5
_SECONDS_MAX = 20
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


def load_openapi(source: str) -> dict[str, Any]:
    """Return the OpenAPI document in a file, or at a URL.

    Raises:
        InputError: It is no OpenAPI document that can be used; the findings say why.
        NetworkError: The URL does not respond with it.
    """
    findings = Findings()
    name = source if _is_url(source) else Path(source).name
    document: Any = None
    try:
        content = _fetched(source) if _is_url(source) else Path(source).read_bytes()
        if len(content) > BYTES_MAX:
            findings.add(f"{len(content):,} bytes; the limit is {BYTES_MAX:,}", name)
        else:
            document = read_json(content.decode("utf-8-sig"))
    except OSError as error:
        findings.add(str(error.strerror), name)
    except UnicodeDecodeError:
        findings.add("not UTF-8 text", name)
    except ValueError as error:
        findings.add(f"not JSON: {error}; convert a document in YAML to JSON", name)
    if document is not None:
        for reason in _mistakes(document):
            findings.add(reason, name)
    findings.refuse("The OpenAPI document")
    assert isinstance(document, dict)
    return document


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
        for one in _operations(_as_json_schema(document))
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
    amount = f"{price.price_micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
    info = {
        "price": {"mode": "fixed", "currency": "USD", "amount": amount},
        "protocols": [{"x402": {}}],
    }
    responses = {**operation.get("responses", {}), "402": {"description": "Payment required."}}
    return {**found, "responses": responses, "x-payment-info": info}


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _fetched(url: str) -> bytes:
    try:
        with httpx.stream("GET", url, timeout=_SECONDS_MAX, follow_redirects=True) as response:
            content = b""
            for part in response.iter_bytes():
                content += part
                if len(content) > BYTES_MAX:
                    break
    except httpx.HTTPError as error:
        raise NetworkError(f"{url} does not respond: {error}.", "Give a file.") from error
    if response.status_code != 200:
        raise NetworkError(f"{url} responds {response.status_code}.", "Give a file.")
    return content


def _mistakes(document: Any) -> Iterator[str]:  # noqa: ANN401 (anything JSON has)
    if not isinstance(document, dict):
        yield "not a JSON object"
        return
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        shown = document.get("swagger", version)
        yield f"openapi must be a version from 3.0, is {json.dumps(shown)[:40]}"
    if not isinstance(document.get("info"), dict):
        yield "it has no object `info`"
    paths = document.get("paths")
    if not isinstance(paths, dict) or not paths:
        yield "it has no paths"
        return
    has_operations = False
    rewritten = _as_json_schema(document)
    for path, item in rewritten["paths"].items():
        if not path.startswith("/") or not isinstance(item, dict):
            yield f"the path {path[:80]!r} must start with / and be an object"
            continue
        for method in METHODS:
            if method in item:
                has_operations = True
                yield from _mistakes_of(rewritten, f"{method.upper()} {path[:80]}", item, method)
    if not has_operations:
        yield "its paths have no operations"


def _mistakes_of(
    document: Mapping[str, Any], name: str, item: Mapping[str, Any], method: str
) -> Iterator[str]:
    if not isinstance(item[method], dict):
        yield f"{name} must be an object"
        return
    try:
        _operation(document, "/", item, method)
    except UnusableSchema as error:
        yield f"{name} needs a JSON Schema {error}"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"{name} does not follow the specification of OpenAPI ({error!r:.80})"


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        methods = [name for name in item if name in METHODS]
        if methods:
            found = _operation(document, path, item, methods[0])
            yield replace(found, methods=[name.upper() for name in methods])


def _operation(
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


def _as_json_schema(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Rewrite what OpenAPI 3.0 has in place of JSON Schema's keywords."""
    if isinstance(value, list):
        return [_as_json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _as_json_schema(one) for name, one in value.items()}
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
