"""JSON Schemas as catalogs get them: checked, without references, with an example, and compact.

Only what is needed for that is understood of JSON Schema 2020-12. A schema that has other keywords
keeps them, unless an example is to be made for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from core.ports import Json

Schema = Mapping[str, Json]

_DEPTH_MAX = 12
_PARTS_MAX = 2_000
"""Parts of a schema without references: each may be used in several places."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "a@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_SINGLE = (
    *("items", "additionalProperties", "unevaluatedProperties", "contains", "propertyNames"),
    *("not", "if", "then", "else"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")


def _are_names(value: Json) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


_FORMS: Final[Mapping[str, tuple[Callable[[Json], bool], str]]] = {
    "properties": (lambda value: isinstance(value, dict), "an object"),
    "required": (_are_names, "a list of different names"),
    "enum": (lambda value: isinstance(value, list), "a list"),
    "format": (lambda value: isinstance(value, str), "a text"),
    **dict.fromkeys(
        ("minimum", "maximum"), (lambda value: type(value) in (int, float), "a number")
    ),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems"),
        (lambda value: type(value) is int and value >= 0, "a whole number from 0"),
    ),
}
"""What validators demand of the keywords that are used here."""

_ANNOTATIONS = frozenset(
    (
        *("$comment", "$defs", "$schema", "default", "deprecated", "description", "example"),
        *("examples", "externalDocs", "readOnly", "title", "writeOnly", "xml"),
    )
)
_PLAIN = ("type", "properties", "items", "description")
_CHECKED = frozenset(
    (
        *("type", "properties", "required", "items", "enum", "const", "format"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    )
)


class UnusableSchema(ValueError):
    """A schema that no catalog can use; the message says why, after "a JSON Schema"."""


def usable_schema(schema: Schema, document: Json = None) -> Schema:
    """Return a schema with each reference replaced by what it refers to.

    References are looked up in `document`, by default in the schema itself. A part that contains
    itself is replaced by `{}` where it recurs. Raises `UnusableSchema` if a reference leads to
    another document or nowhere, and if a keyword has a value that validators reject.
    """
    found = _Inliner(schema if document is None else document).inline(schema, ())
    if not isinstance(found, dict):
        raise UnusableSchema("that is an object")
    return {name: value for name, value in found.items() if name != "$defs"}


class _Inliner:
    """Replaces the references of one schema."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._parts = 0

    def inline(self, schema: Json, names: tuple[str, ...]) -> Json:
        """Return a schema without references; `names` are those that lead to it."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise UnusableSchema(f"whose parts are objects, not {json.dumps(schema)[:40]}")
        self._parts += 1
        if self._parts > _PARTS_MAX or len(names) > _DEPTH_MAX:
            return {}
        if "$id" in schema:
            raise UnusableSchema("without $id")
        _check_keywords(schema)
        found: dict[str, Json] = {}
        if "$ref" in schema:
            name = schema["$ref"]
            if name in names:
                return {}
            target = self.inline(referred(name, self._document), (*names, name))
            found = dict(target) if isinstance(target, dict) else {}
        for keyword, value in schema.items():
            if keyword != "$ref":
                found[keyword] = self._inline_value(keyword, value, names)
        return found

    def _inline_value(self, keyword: str, value: Json, names: tuple[str, ...]) -> Json:
        deeper = (*names, "")
        if keyword == "$defs":
            return {}
        if keyword in _MAPS and isinstance(value, dict):
            return {name: self.inline(part, deeper) for name, part in value.items()}
        if keyword in _SINGLE:
            return self.inline(value, deeper)
        if keyword in _LISTS and isinstance(value, list):
            return [self.inline(part, deeper) for part in value]
        return value


def referred(name: Json, document: Json) -> Json:
    """Return what a `$ref` refers to. Raises `UnusableSchema`."""
    if not isinstance(name, str) or not name.startswith("#"):
        raise UnusableSchema(f"without $ref to another document, as {json.dumps(name)[:80]} is")
    for step in name[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or key not in document:
            raise UnusableSchema(f"that has what its $ref {name[:80]} refers to")
        document = document[key]
    return document


def _check_keywords(schema: Mapping[str, Json]) -> None:
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            raise UnusableSchema(f"whose type is one of {', '.join(_TYPES)}, not {kind!r:.40}")
    for keyword, (is_valid, form) in _FORMS.items():
        if keyword in schema and not is_valid(schema[keyword]):
            raise UnusableSchema(f"whose {keyword} is {form}")


def with_example(schema: Schema, *, is_whole: bool) -> tuple[Schema, Json]:
    """Return a schema without references and a value that fits it.

    The value has the required properties; all of them if it `is_whole`. If it might not fit, the
    schema is returned without the keywords that are not understood.
    """
    value = _sample(schema, is_whole=is_whole)
    if fits(value, schema):
        return schema, value
    plain = _each_part(schema, _plain)
    return plain, _sample(plain, is_whole=is_whole)


def fits(value: Json, schema: Json) -> bool:
    """Tell whether a value certainly fits a schema without references."""
    if not isinstance(schema, dict):
        return schema is not False
    kinds = schema.get("type", list(_TYPES))
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return (
        schema.keys() <= _CHECKED | _ANNOTATIONS
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and any(_is_of(value, kind) for kind in kinds)
        and _is_within(value, schema)
        and _fit_parts(value, schema)
    )


def _fit_parts(value: Json, schema: Mapping[str, Json]) -> bool:
    """Tell whether the parts of an object or a list fit those of a schema."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return all(name in value for name in schema.get("required", [])) and all(
            fits(value[name], part) for name, part in parts.items() if name in value
        )
    return not isinstance(value, list) or all(fits(one, schema.get("items", True)) for one in value)


def _is_of(value: Json, kind: Json) -> bool:
    is_flag = isinstance(value, bool) and kind != "boolean"
    return not is_flag and isinstance(value, _TYPES[kind])


def _is_within(value: Json, schema: Mapping[str, Json]) -> bool:
    """Tell whether a number, or the length of a text or list, is within a schema's bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | list):
        return True
    size = value if isinstance(value, int | float) else len(value)
    least, most = ("minimum", "maximum")
    if isinstance(value, str | list):
        what = "Length" if isinstance(value, str) else "Items"
        least, most = (f"min{what}", f"max{what}")
    is_large_enough: bool = schema.get(least, size) <= size
    is_small_enough: bool = size <= schema.get(most, size)
    return is_large_enough and is_small_enough


def _sample(schema: Json, *, is_whole: bool) -> Json:
    """Make a value for a schema."""
    schema = schema if isinstance(schema, dict) else {"type": "null"}
    given = [schema[name] for name in ("const", "default", "example") if name in schema]
    for name in ("examples", "enum"):
        values = schema.get(name)
        given += values if isinstance(values, list) else []
    if given:
        return given[0]
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = (kinds or ["string"])[0] if isinstance(kinds, list) else kinds
    if kind == "object":
        parts = schema.get("properties", {})
        names = parts if is_whole else schema.get("required", [])
        return {name: _sample(parts.get(name, {}), is_whole=is_whole) for name in names}
    if kind == "array":
        few: int = min(schema.get("minItems", 1 if is_whole else 0), 3)
        return [_sample(schema.get("items", {}), is_whole=is_whole)] * few
    if kind == "string":
        text = _FORMATS.get(schema.get("format", ""), "text")
        return text[: schema.get("maxLength", len(text))]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), 0)
    return False if kind == "boolean" else None


def compact_schema(schema: Schema, length_max: int) -> Schema:
    """Return a schema, less exact if need be, with at most about `length_max` characters as JSON.

    What fits the schema fits the result.
    """
    for shorter in _SHORTER:
        found = shorter(schema)
        if len(json.dumps(found, ensure_ascii=False)) <= length_max:
            return found
    return {}


def _each_part(schema: Json, change: Callable[[Mapping[str, Json]], Schema]) -> Json:
    """Apply a change to a schema and to the schemas in its `properties` and `items`."""
    if not isinstance(schema, dict):
        return schema
    found = dict(change(schema))
    if "properties" in found:
        parts = found["properties"].items()
        found["properties"] = {name: _each_part(part, change) for name, part in parts}
    if "items" in found:
        found["items"] = _each_part(found["items"], change)
    return found


def _plain(schema: Mapping[str, Json]) -> Schema:
    """Leave out what makes a value not fit that was made for the rest."""
    # A value of an enumeration may be of another type than the schema says.
    names = ("enum", "const") if "enum" in schema or "const" in schema else _PLAIN
    return {name: schema[name] for name in names if name in schema}


def _without_annotations(schema: Mapping[str, Json]) -> Schema:
    return {name: value for name, value in schema.items() if name not in _ANNOTATIONS}


def _shallow(schema: Schema) -> Schema:
    """Keep the types of the properties alone."""
    found = {name: schema[name] for name in ("type", "required") if name in schema}
    parts = schema.get("properties")
    if isinstance(parts, dict):
        kinds = {
            name: {"type": part["type"]} if isinstance(part, dict) and "type" in part else {}
            for name, part in parts.items()
        }
        found["properties"] = kinds
    return found


_SHORTER: Final[tuple[Callable[[Schema], Schema], ...]] = (
    lambda schema: schema,
    lambda schema: _each_part(schema, _without_annotations),
    _shallow,
    lambda schema: {name: schema[name] for name in ("type",) if name in schema},
)
"""In this order, until the schema is short enough."""
