"""The header `PAYMENT-REQUIRED`: how to pay, for clients, and how to call, for indexers.

The header has at most `PAYMENT_REQUIRED_BYTES_MAX` bytes, whatever a record or a URL contains.
What is optional is left out or cut until it fits.

Sources: the specification of x402 version 2, and its extensions `payment-identifier` and `bazaar`
as the npm package @x402/extensions 2.27.0 writes and checks them.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from core.ports import Json
from payments.extensions.bazaar import SCHEMA, bazaar_extension
from payments.requirements import (
    PAYMENT_IDENTIFIER,
    PaymentRequirements,
    Resource,
    accepts_entry,
)
from tenants.discovery import NOTHING_KNOWN
from tenants.json_schema import compact_schema

PAYMENT_REQUIRED_BYTES_MAX = 6_000
"""Node's clients reject a response with more than 16 KB of headers, proxies some with 8 KB."""

_DESCRIPTION_BYTES = 400
_SHORT_BYTES = 120
_SCHEMA_LENGTH = 1_200
_SHORT_SCHEMA_LENGTH = 300
"""Characters of a schema in a header that would otherwise be too long."""

_TAGS_MAX = 5
_SERVICE_NAME_MAX = 32
_IDENTIFIER_SCHEMA: Mapping[str, Json] = {
    "$schema": SCHEMA,
    "type": "object",
    "properties": {
        "required": {"type": "boolean"},
        "id": {
            "type": "string",
            "minLength": 16,
            "maxLength": 128,
            "pattern": "^[a-zA-Z0-9_-]+$",
        },
    },
    "required": ["required"],
}


def payment_required_header(
    accepts: Sequence[PaymentRequirements], resource: Resource, error: str
) -> str:
    """Return the value of the header `PAYMENT-REQUIRED`."""
    encoded = encode_header(payment_required_document(accepts, resource, error))
    for shorter in _SHORTENINGS:
        if len(encoded) <= PAYMENT_REQUIRED_BYTES_MAX:
            break
        resource = shorter(resource)
        error = _cut(error, _DESCRIPTION_BYTES)
        encoded = encode_header(payment_required_document(accepts, resource, error))
    return encoded


def payment_required_document(
    accepts: Sequence[PaymentRequirements], resource: Resource, error: str
) -> Mapping[str, Json]:
    """Return the document of the header `PAYMENT-REQUIRED`."""
    return {
        "x402Version": 2,
        "error": error,
        "resource": _resource(resource),
        "accepts": [accepts_entry(one) for one in accepts],
        "extensions": {
            PAYMENT_IDENTIFIER: {
                "info": {"required": resource.needs_identifier},
                "schema": _IDENTIFIER_SCHEMA,
            },
            **bazaar_extension(resource),
        },
    }


def encode_header(document: Mapping[str, Json]) -> str:
    """Encode a document as a header's value: base64 of JSON in UTF-8."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return binascii.b2a_base64(text.encode(errors="replace"), newline=False).decode("ascii")


def _resource(resource: Resource) -> Mapping[str, Json]:
    found: dict[str, Json] = {"url": resource.url, "description": resource.description}
    discovery = resource.discovery
    if discovery.mime_type:
        found["mimeType"] = discovery.mime_type
    # Indexers drop others.
    if discovery.title.isascii() and 0 < len(discovery.title) <= _SERVICE_NAME_MAX:
        found["serviceName"] = discovery.title
    tags = [tag for tag in discovery.tags if tag.isascii()][:_TAGS_MAX]
    return {**found, "tags": tags} if tags else found


def _without_output_example(resource: Resource) -> Resource:
    return replace(resource, discovery=replace(resource.discovery, output_example=None))


def _with_short_schemas(resource: Resource) -> Resource:
    return _with_schemas_up_to(resource, _SCHEMA_LENGTH)


def _with_shorter_schemas(resource: Resource) -> Resource:
    return _with_schemas_up_to(resource, _SHORT_SCHEMA_LENGTH)


def _with_schemas_up_to(resource: Resource, length_max: int) -> Resource:
    discovery = resource.discovery
    shorter = replace(
        discovery,
        input_schema=compact_schema(discovery.input_schema or {}, length_max),
        output_schema=compact_schema(discovery.output_schema or {}, length_max),
    )
    return replace(resource, discovery=shorter)


def _without_schemas(resource: Resource) -> Resource:
    known = replace(NOTHING_KNOWN, methods=(resource.discovery.method,))
    return replace(resource, discovery=known)


def _with_short_description(resource: Resource) -> Resource:
    return replace(resource, description=_cut(resource.description, _DESCRIPTION_BYTES))


def _without_query(resource: Resource) -> Resource:
    return replace(resource, url=resource.url.partition("?")[0])


def _with_origin_only(resource: Resource) -> Resource:
    parts = urlsplit(resource.url)
    url = f"{parts.scheme}://{parts.netloc}/"
    short = _cut(resource.description, _SHORT_BYTES)
    return replace(resource, url=url, description=short, template="")


_SHORTENINGS: tuple[Callable[[Resource], Resource], ...] = (
    _with_short_description,
    _without_output_example,
    _with_short_schemas,
    _without_query,
    _with_shorter_schemas,
    _without_schemas,
    _with_origin_only,
)
"""In this order, until the header fits."""


def _cut(text: str, bytes_max: int) -> str:
    """Cut a text to a number of bytes in UTF-8, at the end of a character."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore").rstrip() + "…"
