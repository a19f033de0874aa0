"""`PAYMENT-REQUIRED` is short and valid for official clients, whatever a record or URL has."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x402.extensions.bazaar.facilitator import (
    validate_discovery_extension,
    validate_discovery_extension_spec,
)
from x402.extensions.bazaar.types import parse_discovery_extension
from x402.http.utils import decode_payment_required_header
from x402.schemas import PaymentRequired

from payments.discovery import payment_required_header
from payments.requirements import Resource
from tenants.records import parse_tenant
from tests.support.builders import REQUIREMENTS
from tests.unit.tenants.test_records import REQUIRED

URL = "https://api.example/t/weather/v1/forecast?city=Paris"
INPUT = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "example": "Paris"},
        "days": {"type": "integer"},
        "unit": {"enum": ["C", "F"]},
    },
    "required": ["city", "days", "unit"],
}
OUTPUT = {"type": "object", "properties": {"celsius": {"type": "number"}}}


def header(method: str = "GET", url: str = URL, error: str = "Pay.", **record: Any) -> str:
    """Return the header for a request to an API with this record."""
    tenant = parse_tenant({**REQUIRED, **record}, "r")
    resource = Resource(url, method, tenant.description or tenant.slug, tenant.discovery)
    return payment_required_header([REQUIREMENTS], resource, error)


def document(*args: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(header(*args, **options), validate=True))
    return found


def input_of(*args: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = document(*args, **options)["extensions"]["bazaar"]["info"]["input"]
    return found


def assert_valid(value: str) -> None:
    """Fail unless the official library can read a header and its extensions."""
    required = decode_payment_required_header(value)
    assert isinstance(required, PaymentRequired)
    assert required.accepts[0].amount == "10000"
    extensions = required.extensions or {}
    if "bazaar" in extensions:
        assert validate_discovery_extension_spec(extensions["bazaar"]).valid
        checked = validate_discovery_extension(parse_discovery_extension(extensions["bazaar"]))
        assert checked.valid, checked.errors


@pytest.mark.parametrize("probe", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_methods_of_the_record_count_whatever_method_probes(probe: str) -> None:
    declared = input_of(probe, methods=["POST"], inputSchema=INPUT)
    assert (declared["method"], declared["bodyType"]) == ("POST", "json")
    assert declared["body"] == {"city": "Paris", "days": 0, "unit": "C"}
    assert input_of(probe, methods=["DELETE"])["method"] == "DELETE"
    assert input_of(probe, methods=["GET", "POST"])["method"] == "GET"
    assert input_of(probe)["method"] == "GET"
    assert "bazaar" not in document(probe, methods=["OPTIONS"])["extensions"]
    assert document(probe, methods=["POST"]) == document("GET", methods=["POST"])
    assert_valid(header(probe, methods=["POST"], inputSchema=INPUT, outputSchema=OUTPUT))
    assert_valid(header(probe, methods=["GET"], inputSchema=INPUT, outputSchema=OUTPUT))
    assert_valid(header(probe))


def test_schemas_and_examples_are_those_of_the_record() -> None:
    example = {"input": {"city": "Oslo", "days": 3, "unit": "F"}, "output": {"celsius": -7.5}}
    found = document(
        methods=["GET"],
        inputSchema=INPUT,
        outputSchema=OUTPUT,
        example=example,
        mimeType="application/json",
        title="Weather",
        tags=["weather", "données"],
    )
    bazaar = found["extensions"]["bazaar"]
    assert bazaar["info"]["input"]["queryParams"] == example["input"]
    assert bazaar["info"]["output"] == {"type": "json", "example": example["output"]}
    properties = bazaar["schema"]["properties"]
    assert properties["input"]["properties"]["queryParams"] == INPUT
    assert properties["output"]["properties"]["example"] == OUTPUT
    resource = {name: found["resource"][name] for name in ("mimeType", "serviceName", "tags")}
    assert resource == {
        "mimeType": "application/json",
        "serviceName": "Weather",
        "tags": ["weather"],
    }


def test_without_an_example_one_is_made_that_fits_the_schema() -> None:
    rows = {"type": "array", "items": OUTPUT}
    found = document(inputSchema=INPUT, outputSchema=rows)["extensions"]["bazaar"]["info"]
    assert found["input"]["queryParams"] == {"city": "Paris", "days": 0, "unit": "C"}
    assert found["output"]["example"] == [{"celsius": 0}]


def test_a_body_that_is_text_is_described_as_text() -> None:
    declared = input_of(methods=["PUT"], inputSchema={"type": "string", "maxLength": 2})
    assert (declared["bodyType"], declared["body"]) == ("text", "te")


def test_a_route_describes_the_requests_that_it_fits() -> None:
    schema = {"properties": {"id": {"type": "integer"}}, "required": ["id"]}
    routes = [
        {"method": "POST", "path": "/orders", "priceUsd": "0.05", "inputSchema": schema},
        {"path": "/days/*", "priceUsd": "0.05"},
        {"method": "PUT", "path": "/items", "priceUsd": "0.05", "example": 7},
    ]
    tenant = parse_tenant({**REQUIRED, "inputSchema": INPUT, "title": "T", "routes": routes}, "r")
    order, day, item = (tenant.at(*one).discovery for one in ORDERED)
    assert (order.method, order.input_schema, order.title) == ("POST", schema, "T")
    assert (day.method, day.input_schema) == ("GET", INPUT)
    assert (item.input_schema, item.output_example) == (None, 7)
    plain = parse_tenant({**REQUIRED, "inputSchema": INPUT, "routes": [ORDER]}, "r")
    assert plain.at("POST", ["/orders"]).discovery.input_schema is None, "it is of the query"


ORDER = {"method": "POST", "path": "/orders", "priceUsd": "0.05"}
ORDERED = [("POST", ["/orders"]), ("GET", ["/days/3"]), ("PUT", ["/items"])]


def test_an_example_alone_is_one_of_the_response() -> None:
    info = document(example={"celsius": 3})["extensions"]["bazaar"]["info"]
    assert info["output"]["example"] == {"celsius": 3}


LONG = {
    "Chinese": "天" * 2_000,
    "Cyrillic": "ж" * 2_000,
    "emoji": "🌦" * 1_000,
    "quotes": '"' * 2_000,
    "backslashes": "\\" * 2_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("query", ["", "?q=" + "a" * 8_000], ids=["", "query"])
@pytest.mark.parametrize("path", ["", "a/" * 3_000], ids=["", "path"])
def test_a_long_record_or_url_does_not_make_the_header_long(
    text: str, query: str, path: str
) -> None:
    record: dict[str, Any] = {
        "description": text,
        "methods": ["POST"],
        "inputSchema": {**INPUT, "description": text},
        "outputSchema": {**OUTPUT, "description": text},
        "example": {"celsius": 1, "note": text},
    }
    value = header("POST", f"https://api.example/{path}{query}", text, **record)
    assert len(value) <= 6_000
    assert_valid(value)
    found = document("POST", f"https://api.example/{path}{query}", text, **record)
    # Cut at the end of a character, and after as much as fits.
    shown = found["resource"]["description"].removesuffix("…")
    assert text.startswith(shown)
    assert len(shown.encode()) > 100
    assert found["resource"]["url"].startswith("https://api.example/")
    assert input_of("GET", **record)["method"] == "POST"


def test_what_fits_is_not_cut() -> None:
    text = "天" * 300
    found = document(description=text)
    assert found["resource"] == {"url": URL, "description": text}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


types = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types, min_size=1, max_size=2, unique=True),
            "minimum": st.integers(-3, 3),
            "maxLength": st.integers(0, 9),
            "minItems": st.integers(0, 5),
            "pattern": st.sampled_from(["^a+$", "^.{20}$"]),
            "format": st.sampled_from(["date", "uuid", "other"]),
            "enum": st.lists(st.none() | st.integers(), min_size=1, max_size=2, unique=True),
            "multipleOf": st.integers(2, 5),
            "description": st.text(max_size=9),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=3), inner)},
        optional={
            "required": st.lists(st.text(max_size=3), max_size=2, unique=True),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@settings(max_examples=40)
@given(schemas, schemas, st.sampled_from(["GET", "POST"]))
def test_the_example_of_any_schema_is_valid(
    wanted: dict[str, Any], returned: dict[str, Any], method: str
) -> None:
    query = {"properties": {"a": wanted}, "required": ["a"]}
    value = header(methods=[method], inputSchema=query, outputSchema=returned)
    assert len(value) <= 6_000
    assert_valid(value)


@given(st.text(), st.text(max_size=3_000), values, st.sampled_from(["GET", "POST"]))
def test_any_texts_and_examples_give_a_valid_header(
    description: str, error: str, example: object, method: str
) -> None:
    resource = Resource(URL, method, description, parse_tenant(REQUIRED, "r").discovery)
    for value in (
        payment_required_header([REQUIREMENTS], resource, error),
        header(method, example={"output": example}),
    ):
        assert len(value) <= 6_000
        assert_valid(value)
