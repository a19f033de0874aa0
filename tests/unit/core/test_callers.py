"""Who sent a request: one caller keeps one identity, whatever changes in its headers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from core.callers import (
    CallerHasher,
    address_identity,
    key_identity,
    network_of,
    subscriber_of,
)
from tests.support.fakes import FakeEnvironment

ADDRESS = {"cf-connecting-ip": "192.0.2.1"}


def callers(key_headers: str = "") -> CallerHasher:
    settings = {"CALLER_HASH_SECRET": "secret"}
    if key_headers:
        settings["CALLER_KEY_HEADERS"] = key_headers
    return CallerHasher(FakeEnvironment(settings=settings))


def caller(headers: Mapping[str, str], key_headers: str = "") -> str:
    return callers(key_headers).identify({**ADDRESS, **headers})[0]


def is_identified(headers: Mapping[str, str], identity: str) -> bool:
    found = callers()
    return found.identify(headers)[0] == found.hash(identity)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token(claims: Any, header: Any = None) -> str:
    return f"{part(header or {'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({"x-api-key": "k", "x-agent-id": "a", "cf-connecting-ip": "192.0.2.1"}, "key:k"),
        ({"authorization": "Bearer k", "x-agent-id": "a"}, "key:k"),
        ({"authorization": "Bearer k", "x-api-key": "other"}, "key:k"),
        ({"authorization": "Bearer", "x-api-key": "k"}, "key:k"),
        ({"x-agent-id": "a", "x-caller-id": "c"}, "agent:a"),
        ({"x-caller-id": "c", "cf-connecting-ip": "192.0.2.1"}, "agent:c"),
        ({"x-agent-id": "", "x-api-key": " ", **ADDRESS}, "ip:192.0.2.1"),
        ({}, "unknown:"),
        ({"x-agent-id": "x" * 100_000}, "agent:" + "x" * 4_096),
        ({"x-agent-id": "\ud800"}, "agent:?"),
    ],
)
def test_a_caller_is_identified_by_the_most_reliable_header(
    headers: Mapping[str, str], identity: str
) -> None:
    assert is_identified(headers, identity)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("Bearer k", "k"),
        ("bearer  k ", "k"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("ApiKey k", "k"),
        ("Token token=k", "token=k"),
        ("k", "k"),
        ("Bearer abc==", "abc=="),
    ],
)
def test_an_api_key_counts_in_every_scheme_of_authorization(value: str, key: str) -> None:
    assert is_identified({"authorization": value, **ADDRESS}, f"key:{key}")


@pytest.mark.parametrize(
    "form",
    [
        'Digest username="ann", realm="r", nonce="{0}", response="{0}"',
        "AWS4-HMAC-SHA256 Credential=ann/2026{0}/eu/s3/aws4_request, Signature={0}",
        'OAuth realm="r", oauth_nonce="{0}", oauth_token="ann", oauth_signature="{0}"',
        'Hawk id="ann", ts="{0}", mac="{0}"',
        'Signature keyId="ann",signature="{0}"',
        "EG1-HMAC-SHA256 client_token=ann;timestamp={0};nonce={0};signature={0}",
    ],
)
def test_a_scheme_that_signs_each_request_has_one_caller(form: str) -> None:
    sent = {caller({"authorization": form.format(number)}) for number in range(9)}
    assert len(sent) == 1
    assert sent != {caller({"authorization": form.replace("ann", "bob").format(1)})}


@pytest.mark.parametrize(
    "header",
    [
        "api-key",
        "apikey",
        "authorization",
        "ocp-apim-subscription-key",
        "x-api-key",
        "x-auth-token",
        "x-rapidapi-key",
    ],
)
def test_each_header_for_keys_identifies_callers_behind_one_address(header: str) -> None:
    assert len({caller({header: f"key-{number}"}) for number in range(3)}) == 3
    assert caller({header: "k", "x-agent-id": "a"}) == caller({header: "k"})


def test_the_setting_replaces_the_headers_for_keys() -> None:
    listed = "X-Own-Key, Authorization"
    assert caller({"x-own-key": "k", "authorization": "k2"}, listed) == caller({"x-api-key": "k"})
    assert caller({"x-api-key": "k"}, listed) == caller({})


def test_a_setting_without_a_usable_name_means_the_default() -> None:
    assert caller({"x-api-key": "k"}, "x api key") == caller({"x-api-key": "k"})


@pytest.mark.parametrize("prefix", ["Bearer ", "DPoP ", ""])
@pytest.mark.parametrize("header", ["authorization", "x-auth-token"])
def test_renewed_tokens_of_one_subject_are_one_caller(prefix: str, header: str) -> None:
    claims = [{"iss": "https://issuer", "sub": "ann", "exp": number} for number in range(24)]
    assert len({caller({header: prefix + token(each)}) for each in claims}) == 1


def test_subjects_and_issuers_are_different_callers() -> None:
    claims = [
        {"iss": "i", "sub": "s"},
        {"iss": "i", "sub": "s2"},
        {"iss": "i2", "sub": "s"},
        {"iss": "is", "sub": ""},
        {"iss": "", "sub": "is"},
        {"sub": "s"},
    ]
    assert len({caller({"authorization": f"Bearer {token(each)}"}) for each in claims}) == 6


@pytest.mark.parametrize(
    "value",
    [
        "a.b.c",
        f"{part({})}.{part({'sub': 's'})}",
        f"{part([])}.{part({'iss': 'i', 'sub': 's'})}.x",
        token(["sub"]),
        token({"iss": "i"}),
        token({"iss": "i", "sub": None}),
        token({"iss": 1, "sub": "s"}),
        f"{part({'alg': 'x'})}.{part({'sub': 's'})}.x.y.z",
        f"{part({'alg': 'x'})}.bm9 qc29u.x",
        f"{part({'alg': 'x'})}.{'W1tb' * 5_000}.x",
        f"{part({'alg': 'x'})}._____w.x",
    ],
)
def test_text_that_is_no_token_with_a_subject_is_a_key(value: str) -> None:
    assert key_identity(value) == f"key:{value[:4_096]}"


@pytest.mark.parametrize(
    ("spelling", "subscriber"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:0db8:0001:0002"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002"),
        ("2001:0db8:0001:0002:0000:0000:0000:0001", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::192.0.2.1", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::1%eth0", "2001:0db8:0001:0002"),
        ("2001:db8::", "2001:0db8:0000:0000"),
        ("::1", "0000:0000:0000:0000"),
        ("192.0.2.256", "192.0.2.256"),
        ("2001:db8::1/64", "2001:db8::1/64"),
        ("not an address", "not an address"),
    ],
)
def test_all_addresses_of_a_subscriber_are_one_caller(spelling: str, subscriber: str) -> None:
    assert subscriber_of(spelling) == subscriber
    assert address_identity(spelling) == f"ip:{subscriber}"
    assert is_identified({"cf-connecting-ip": spelling}, f"ip:{subscriber}")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2"),
        ("::ffff:192.0.2.1", "192.0.2"),
        ("2001:db8:1:2::1", "2001:0db8:0001"),
        ("2001:db8:1:ffff::%9", "2001:0db8:0001"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_is_a_24_or_a_48(address: str, network: str) -> None:
    assert network_of(address) == network


def test_more_addresses_than_an_isolate_keeps_are_hashed_the_same() -> None:
    found = callers()
    before = found.identify(ADDRESS)
    for number in range(5_000):
        found.identify({"cf-connecting-ip": f"10.0.{number >> 8}.{number & 255}"})
    assert found.identify(ADDRESS) == before
