"""`PAYMENT-REQUIRED` is short and valid for official clients, whatever a record or URL has."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
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
    both = input_of(probe, methods=["GET", "POST"])["method"]
    assert both == (probe if probe in ("GET", "POST") else "GET")
    assert "bazaar" not in document(probe, methods=["OPTIONS"])["extensions"]
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
