"""Who sent a request: one caller keeps one identity, whatever changes in its headers."""

from __future__ import annotations

import base64
import json
import time
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


SIGNED = [
    'Digest username="ann", realm="r", nonce="{0}", response="{0}"',
    'Digest realm="r", uri="/x?id={0}&username={0}", username="ann", response="{0}"',
    """Digest username*=UTF-8''ann, realm="r", nonce="{0}", response="{0}\"""",
    "AWS4-HMAC-SHA256 Credential=ann/2026010{0}/eu/s3/aws4_request, Signature={0}",
    "AWS4-ECDSA-P256-SHA256 Credential=ann/2026010{0}/s3/aws4_request, Signature={0}",
    "GOOG4-RSA-SHA256 Credential=ann@p.example/2026010{0}/auto/storage/x,Signature={0}",
    "AWS3-HTTPS AWSAccessKeyId=ann,Algorithm=HmacSHA256,Signature={0}=",
    "AWS ann:c2ln{0}=",
    "GOOG1 ann:c2ln{0}=",
    "OSS ann:c2ln{0}/+=",
    "acs ann:c2ln{0}=",
    "SharedKey ann:c2ln{0}==",
    "SharedKeyLite ann:c2ln{0}==",
    "SharedAccessSignature sr=host&sig={0}%3d&se={0}&skn=ann",
    "HMAC ann:{0}",
    "hmac-sha256 ann:{0}:2026",
    "amx ann:c2ln{0}=:nonce{0}:{0}",
    "APIAuth-HMAC-SHA256 ann:{0}=",
    "HMAC ApiKey=ann, Nonce={0}, Signature={0}",
    "HMAC-SHA256 Credential=ann&SignedHeaders=host&Signature={0}=",
    'hmac username="ann", algorithm="hmac-sha256", headers="date", signature="{0}"',
    'Acquia-HMAC id="ann",nonce="{0}",realm="r",signature="{0}"',
    'OAuth realm="r", oauth_nonce="{0}", oauth_token="ann", oauth_signature="{0}"',
    'OAuth oauth_consumer_key="ann",oauth_token="",oauth_nonce="{0}",oauth_signature="{0}"',
    'Hawk id="ann", ts="{0}", mac="{0}"',
    'MAC id="ann", nonce="{0}", mac="{0}"',
    'Signature keyId="ann",signature="{0}"',
    'Signature signature="id={0}", keyId = "ann"',
    "EG1-HMAC-SHA256 client_token=ann;timestamp={0};nonce={0};signature={0}",
    'WECHATPAY2-SHA256-RSA2048 mchid="ann",nonce_str="{0}",signature="{0}",serial_no="1"',
    "SDK-HMAC-SHA256 Access=ann, SignedHeaders=host, Signature={0}",
    "bce-auth-v1/ann/2026-01-0{0}T00:00:00Z/1800/host/{0}",
    "q-sign-algorithm=sha1&q-ak=ann&q-sign-time={0}&q-signature={0}",
    "vapid t=a{0}, k=ann",
    'Robot-Key apiKey="ann" nonce="{0}" signature="{0}"',
]


@pytest.mark.parametrize("form", SIGNED)
def test_a_scheme_that_signs_each_request_has_one_caller(form: str) -> None:
    sent = {caller({"authorization": form.format(number)}) for number in range(9)}
    assert len(sent) == 1
    assert sent != {caller({"authorization": form.replace("ann", "bob").format(1)})}
    assert sent != {caller({})}
    # A client may have a key of the same name as another's signer.
    assert sent != {caller({"authorization": "Bearer ann"})}


def test_the_order_of_parameters_does_not_matter() -> None:
    one = 'OAuth oauth_token="t", oauth_consumer_key="c", oauth_signature="1"'
    other = 'OAuth oauth_signature="2",oauth_consumer_key="c",oauth_token="t"'
    assert caller({"authorization": one}) == caller({"authorization": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # The same name in two schemes, realms, hosts, consumers.
        ("AWS ann:1", "SharedKey ann:1"),
        ('Digest username="ann", realm="a"', 'Digest username="ann", realm="b"'),
        ("SharedAccessSignature sr=a&sig=1&skn=k", "SharedAccessSignature sr=b&sig=1&skn=k"),
        (
            'OAuth oauth_consumer_key="c", oauth_token="1", oauth_signature="x"',
            'OAuth oauth_consumer_key="c", oauth_token="2", oauth_signature="x"',
        ),
        # Nothing is signed: all of the credentials are the key.
        ('MediaBrowser Client="x", Token="1"', 'MediaBrowser Client="x", Token="2"'),
        ("Token id=ann, secret=1", "Token id=ann, secret=2"),
        ("Key ann:1", "Key ann:2"),
        ("Bearer ann:1", "Bearer ann:2"),
        ("Bearer id=ann,signature=1", "Bearer id=ann,signature=2"),
        ("OAuth token-1", "OAuth token-2"),
        ("ann:1", "ann:2"),
        ("SharedKey ann/x:1", "SharedKey ann/y:1"),
        (
            "HMAC-SHA256 Credential=ann/x&Signature=1",
            "HMAC-SHA256 Credential=ann/y&Signature=1",
        ),
    ],
)
def test_different_callers_are_never_taken_for_one(one: str, other: str) -> None:
    assert caller({"authorization": one}) != caller({"authorization": other})


@pytest.mark.parametrize(
    "credentials",
    [
        "Negotiate YIIZ{0}==",
        "NTLM TlRMTVNTUAAB{0}",
        'PrivateToken token="{0}"',
        "Payment eyJ{0}",
        "HMAC-SHA256 SignedHeaders=host&Signature={0}=",
        "HMAC c2ln{0}=",
        'WSSE profile="UsernameToken"',
    ],
)
def test_credentials_that_name_nobody_leave_the_caller_to_other_headers(credentials: str) -> None:
    for other in ({}, {"x-agent-id": "a"}, {"x-api-key": "k"}):
        sent = {caller({"authorization": credentials.format(n), **other}) for n in range(9)}
        assert sent == {caller(other)}


@pytest.mark.parametrize(
    "text",
    ["a" * 16_000, "a=" * 8_000, 'a="' * 8_000, "a" + " " * 16_000, "a\\" * 8_000, ":" * 16_000],
)
def test_long_credentials_are_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    for scheme in ("HMAC", "Robot-Key", "Digest"):
        caller({"authorization": f"{scheme} {text}"})
    # Some milliseconds; a pattern that reads them again from each character takes seconds.
    assert time.process_time() - started < 1


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
