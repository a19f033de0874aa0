"""The operations of an API as its page shows them: from its record, each with its own price."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from core.ports import Json
from payments.pages.code_samples import Call, described_call
from tenants.discovery import BODY_METHODS
from tenants.fields import UNPRINTABLE
from tenants.records import Tenant
from tenants.routes import ANY_METHOD

_VARIABLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_OTHER_FORMS = re.compile(r"\[([A-Za-z_]\w*)\]|:([A-Za-z_]\w*)", re.ASCII)
_PARAMETERS_MAX = 50
_TEXT_LENGTH_MAX = 300


class Parameter(NamedTuple):
    """An input of an operation. `place` is `path`, `query` or `body`; `example` is a text."""

    name: str
    place: str
    kind: str
    is_required: bool
    description: str
    example: str


class Operation(NamedTuple):
    """Requests that are called in the same way and cost the same.

    `path` has `{name}` for what varies. `is_any_path` tells whether other paths cost the same.
    `tenant` is the API at the price of this operation.
    """

    methods: Sequence[str]
    path: str
    is_any_path: bool
    tenant: Tenant

    @property
    def is_described(self) -> bool:
        """Whether there is more to say than that other requests than those of routes exist."""
        return not self.tenant.routes or self.tenant.discovery.input_schema is not None

    @property
    def method(self) -> str:
        """The method that is described."""
        return self.tenant.discovery.method or self.methods[0]

    def call(self, origin: str) -> Call:
        """Return the request of the record's example, to an address at `origin`."""
        discovery = self.tenant.discovery
        example = discovery.input_example
        values = example if isinstance(example, dict) else {}
        path = _VARIABLE.sub(lambda found: _in_path(found, values), self.path)
        url = f"{origin}{self.tenant.prefix}{path.replace('*', '{path}')}"
        if self.method not in BODY_METHODS and values:
            names = _VARIABLE.findall(self.path)
            query = {name: _text(value) for name, value in values.items() if name not in names}
            url += f"?{urlencode(query)}" if query else ""
        return described_call(url, self.methods[0], discovery)

    def parameters(self) -> Sequence[Parameter]:
        """Return the inputs that the record describes, those in the path first."""
        discovery = self.tenant.discovery
        names = list(dict.fromkeys(_VARIABLE.findall(self.path)))
        in_path = [Parameter(name, "path", "string", True, "", "") for name in names]  # noqa: FBT003
        schema = discovery.input_schema or {}
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, dict):
            return in_path
        example = discovery.input_example if isinstance(discovery.input_example, dict) else {}
        place = "body" if self.method in BODY_METHODS else "query"
        others = [
            _parameter(name, place, one, example, required if isinstance(required, list) else ())
            for name, one in list(properties.items())[:_PARAMETERS_MAX]
            if name not in names
        ]
        return [*in_path, *others]


def operations_of(tenant: Tenant) -> Sequence[Operation]:
    """Return the operations of an API: those of its routes, then all other requests."""
    return [*_of_routes(tenant), _of_record(tenant)]


def _of_routes(tenant: Tenant) -> Iterator[Operation]:
    for route in tenant.routes:
        path = _OTHER_FORMS.sub(lambda found: f"{{{found[1] or found[2]}}}", route.path)
        sample = re.sub(r"[{}*]", "x", path)
        own = tenant.at("GET" if route.method == ANY_METHOD else route.method, [sample])
        if own.route is route:
            methods = own.discovery.methods or ("GET",)
            yield Operation(methods, path.rstrip("/") or "/", path.endswith("/*"), own)


def _of_record(tenant: Tenant) -> Operation:
    return Operation(tenant.discovery.methods or ("GET",), "/", True, tenant)  # noqa: FBT003


def shown_json(value: Json) -> str:
    """Return an example for people: a text as it is, anything else as indented JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return "\n".join(UNPRINTABLE.sub("", line) for line in text.split("\n"))


def _parameter(
    name: str, place: str, schema: Json, example: Mapping[str, Json], required: Sequence[Json]
) -> Parameter:
    own = schema if isinstance(schema, dict) else {}
    kind = own.get("type")
    choices = own.get("enum")
    known = next((own[key] for key in ("example", "default", "const") if key in own), None)
    value = example.get(name, known)
    if value is None and isinstance(choices, list) and choices:
        value = choices[0]
    return Parameter(
        _line(name),
        place,
        _line(" or ".join(map(str, kind)) if isinstance(kind, list) else kind or "any"),
        name in required,
        _line(own.get("description", "")),
        "" if value is None else _line(_text(value)),
    )


def _in_path(found: re.Match[str], values: Mapping[str, Json]) -> str:
    value = values.get(found[1])
    return found[0] if value is None else quote(_text(value), safe="")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(value: Json) -> str:
    return UNPRINTABLE.sub("", str(value))[:_TEXT_LENGTH_MAX]
