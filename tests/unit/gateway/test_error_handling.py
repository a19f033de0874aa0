"""Confidential parts of a request are redacted in log texts, and nothing else."""

from __future__ import annotations

import pytest

from gateway.error_handling import redacted
from tests.support.fakes import FakeRequest


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("authorization", "Bearer abc-def", "abc-def"),
        ("cookie", "theme=light; session=s3cr3t", "s3cr3t"),
        ("payment-signature", "eyJhIjox", "eyJhIjox"),
        ("x-payment", "eyJhIjox", "eyJhIjox"),
        ("x-api-key", "key-1", "key-1"),
        ("x-agent-id", "agent-1", "agent-1"),
        ("cf-connecting-ip", "192.0.2.1", "192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1, 192.0.2.2", "192.0.2.2"),
    ],
)
def test_secrets_are_redacted_whole_and_in_parts(name: str, value: str, secret: str) -> None:
    request = FakeRequest("http://h.example/x", headers={name: value})
    for text in (f"refused {value}!", f"refused {secret}!", f"[{secret}][{secret}]"):
        assert secret not in redacted(text, request, ["x-api-key"])
        assert "[redacted]" in redacted(text, request, ["x-api-key"])


def test_the_query_is_redacted_encoded_and_decoded() -> None:
    request = FakeRequest("http://h.example/x?mail=ada%40example.org&n=1")
    text = "GET http://h.example/x?mail=ada%40example.org&n=1 for ada@example.org"
    shown = "GET http://h.example/x?[redacted] for [redacted]"
    assert redacted(text, request, []) == shown


def test_other_text_is_unchanged() -> None:
    headers = {"authorization": "Bearer abc-def", "cookie": "a=b", "content-type": "text/plain"}
    request = FakeRequest("http://h.example/x?a=b&c=", headers=headers)
    text = "TypeError: b is not a function of text/plain at http://h.example/x:1"
    assert redacted(text, request, ["x-api-key"]) == text
