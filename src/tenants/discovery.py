"""What a record says about how its API is called, for catalogs and for clients that pay.

The fields are `methods`, `mimeType`, `inputSchema`, `outputSchema`, `example`, `title` and `tags`.
A route may have all but the last two, for the requests that it fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from core.ports import Json
from tenants.fields import RecordFields
from tenants.json_schema import UnusableSchema, usable_schema, with_example

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
QUERY_METHODS = ("GET", "HEAD", "DELETE")
"""Methods whose input is a query."""

BODY_METHODS = ("POST", "PUT", "PATCH")
CALL_FIELDS = frozenset(("example", "inputSchema", "methods", "mimeType", "outputSchema"))
"""The fields that a route may have, too."""

_MIME_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(?: ?; ?[\w.+-]+=[\w.+-]+)?", re.ASCII)
_SCHEMA_LENGTH_MAX = 8_000
"""Characters of a schema or an example as JSON."""

TAGS_MAX = 10
TAG_LENGTH_MAX = 32
_EXAMPLE_KEYS = {"input", "output"}


@dataclass(frozen=True, slots=True)
class Discovery:
    """How an API is called; empty or None for what its record does not say.

    `input_schema` describes the query, or the body of methods that have one; `output_schema` the
    response. `input_example` and `output_example` are values that fit them, made from them if the
    record has none. Schemas have no references.
    """

    methods: Sequence[str] = ()
    mime_type: str = ""
    input_schema: Mapping[str, Json] | None = None
    output_schema: Mapping[str, Json] | None = None
    input_example: Json = None
    output_example: Json = None
    title: str = ""
    tags: Sequence[str] = ()

    @property
    def method(self) -> str:
        """The method that is described: the first that has a query or a body, GET by default.

        Empty if the API has no such method.
        """
        known = (one for one in self.methods or ("GET",) if one in QUERY_METHODS + BODY_METHODS)
        return next(known, "")

    @property
    def body_type(self) -> str:
        """What a body is, in the words of the extension `bazaar`: `json` or `text`."""
        return "text" if isinstance(self.input_example, str) else "json"

    def at(self, route: Discovery, method: str) -> Discovery:
        """Return how the requests of a route are called.

        What the route describes replaces all that the record says about calls. `method` is the
        route's, empty if it is for any.
        """
        methods = (method,) if method else route.methods or self.methods
        own = replace(self if route == NOTHING_KNOWN else route, methods=methods)
        has_body = own.method in BODY_METHODS
        if route == NOTHING_KNOWN and has_body != (self.method in BODY_METHODS):
            # The record describes the other of query and body.
            own = replace(own, input_schema=None, input_example=None)
        return replace(own, title=self.title, tags=self.tags)


NOTHING_KNOWN = Discovery()


def parse_discovery(fields: RecordFields) -> Discovery:
    """Read these fields of a record; an invalid one adds a reason."""
    found = replace(parse_call(fields), title=fields.text("title"), tags=_read_tags(fields))
    return NOTHING_KNOWN if found == NOTHING_KNOWN else found


def parse_call(fields: RecordFields) -> Discovery:
    """Read the fields that a record and a route have in common; an invalid one adds a reason."""
    if not fields.record.keys() & CALL_FIELDS:
        return NOTHING_KNOWN
    example = _read_json(fields, "example", (dict, list, str, int, float, bool))
    # Either an example of both, or of the response alone.
    has_both = isinstance(example, dict) and example and example.keys() <= _EXAMPLE_KEYS
    given_input = example.get("input") if has_both else None
    given_output = example.get("output") if has_both else example
    input_schema, input_example = _read_schema(fields, "inputSchema", given_input)
    output_schema, output_example = _read_schema(fields, "outputSchema", given_output)
    return Discovery(
        methods=_read_methods(fields),
        mime_type=_read_mime_type(fields),
        input_schema=input_schema,
        output_schema=output_schema,
        input_example=input_example,
        output_example=output_example,
    )


def _read_methods(fields: RecordFields) -> Sequence[str]:
    given = fields.record.get("methods")
    if given is None:
        return ()
    if isinstance(given, list) and given and all(method in METHODS for method in given):
        return tuple(dict.fromkeys(given))
    fields.refuse("methods", f"a list of methods in capital letters: {', '.join(METHODS)}")
    return ()


def _read_mime_type(fields: RecordFields) -> str:
    if fields.record.get("mimeType") is None:
        return ""
    return fields.matching("mimeType", _MIME_TYPE, "a media type such as application/json")


def _read_tags(fields: RecordFields) -> Sequence[str]:
    given = fields.record.get("tags")
    if given is None:
        return ()
    if isinstance(given, list) and len(given) <= TAGS_MAX:
        # Each is checked as a field of its own.
        tags = RecordFields({str(index): tag for index, tag in enumerate(given)})
        found = [tags.text(name, TAG_LENGTH_MAX) for name in tags.record]
        if all(found):
            return tuple(dict.fromkeys(found))
    fields.refuse("tags", f"at most {TAGS_MAX} texts of 1 to {TAG_LENGTH_MAX} characters")
    return ()


def _read_schema(
    fields: RecordFields, name: str, example: Json
) -> tuple[Mapping[str, Json] | None, Json]:
    """Read a schema, and make an example unless one is given."""
    schema = _read_json(fields, name, (dict,))
    if schema is None:
        return None, example
    if _refers_elsewhere(schema):
        fields.refuse(name, "a JSON Schema without $id and without $ref to another document")
        return None, example
    try:
        usable = usable_schema(schema)
    except UnusableSchema as error:
        fields.refuse(name, f"a JSON Schema {error}")
        return None, example
    if example is not None:
        return usable, example
    return with_example(usable, is_whole=name == "outputSchema")


def _read_json(fields: RecordFields, name: str, types: tuple[type, ...]) -> Json:
    value = fields.record.get(name)
    if value is None:
        return None
    with suppress(ValueError):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if isinstance(value, types) and len(text) <= _SCHEMA_LENGTH_MAX:
            return value
    kind = "an object" if types == (dict,) else "a JSON value"
    fields.refuse(name, f"{kind} of at most {_SCHEMA_LENGTH_MAX} characters, with finite numbers")
    return None


def _refers_elsewhere(schema: Json) -> bool:
    """Tell whether a schema, whose nesting is limited, refers to another document."""
    if isinstance(schema, list):
        return any(map(_refers_elsewhere, schema))
    if not isinstance(schema, dict):
        return False
    return any(
        (name in ("$ref", "$id") and not (isinstance(value, str) and value.startswith("#")))
        or _refers_elsewhere(value)
        for name, value in schema.items()
    )
