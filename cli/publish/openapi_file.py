"""Reads and checks an OpenAPI document: a file, or at a URL."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from cli.errors import NetworkError
from cli.publish.openapi import METHODS, as_json_schema, operation_of
from cli.publish.validation import Findings
from core.safe_json import read_json
from tenants.json_schema import UnusableSchema

BYTES_MAX: Final = 2 * 1024 * 1024
_SECONDS_MAX = 20


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
    rewritten = as_json_schema(document)
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
        operation_of(document, "/", item, method)
    except UnusableSchema as error:
        yield f"{name} needs a JSON Schema {error}"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"{name} does not follow the specification of OpenAPI ({error!r:.80})"
