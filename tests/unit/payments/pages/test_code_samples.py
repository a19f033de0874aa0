"""Code that calls an API has its address, its method and body, and pays in the ways it accepts."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

from payments.pages.code_samples import Call, code_samples, described_call
from payments.pages.payment_page import shown_dollars
from payments.requirements import PaymentRequirements
from tenants.discovery import Discovery

HOSTILE = """https://x.example/t/a/it's"?q=$(id)&b=`x`\\n"""


def way(network: str, scheme: str = "exact") -> PaymentRequirements:
    return PaymentRequirements(network, "0xa", "1", 1, 6, "0xb", 60, {}, scheme)


def test_a_free_api_is_called_without_a_client_that_pays() -> None:
    samples = code_samples(Call("GET", "https://x.example/t/a/"), ())
    assert [sample.name for sample in samples] == ["curl", "python", "javascript"]
    assert not any("x402" in sample.text for sample in samples)
    assert samples[0].text == "curl -gi https://x.example/t/a/"


def test_a_priced_api_is_paid_on_the_chains_that_it_accepts() -> None:
    call = Call("GET", "https://x.example/t/a/")
    evm = [sample.name for sample in code_samples(call, [way("eip155:8453")])]
    assert evm == ["curl", "python", "javascript"]
    solana = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
    assert [sample.name for sample in code_samples(call, [way(solana)])] == ["curl", "solana"]
    both = code_samples(call, [way("eip155:8453", "upto"), way(solana)])
    assert [sample.name for sample in both] == ["curl", "python", "javascript", "solana"]
    assert "UptoEvmScheme" in both[1].text
    assert "UptoEvmScheme" in both[2].text


def test_the_shell_gets_the_address_as_one_word() -> None:
    (curl, *_) = code_samples(Call("PUT", HOSTILE, '{"a": "it\'s"}', "application/json"), ())
    words = shlex.split(curl.text)
    assert words[-1] == HOSTILE
    assert words[words.index("-d") + 1] == '{"a": "it\'s"}'
    assert words[words.index("-X") + 1] == "PUT"


def test_python_gets_the_address_as_one_text() -> None:
    _, python, _ = code_samples(Call("POST", HOSTILE, "b\n", "text/plain"), ())
    fake = "class requests:\n def request(*a, **k):\n  print(repr((a, k))); raise SystemExit\n"
    program = fake + python.text.replace("import requests\n", "")
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    headers = {"content-type": "text/plain"}
    expected = (("POST", HOSTILE), {"headers": headers, "data": "b\n"})
    assert found.stdout.decode().strip() == repr(expected)


@pytest.mark.parametrize(
    ("example", "body"), [({"a": 1}, '{"a": 1}'), ("text", "text"), (None, "{}")]
)
def test_a_described_body_is_sent(example: object, body: str) -> None:
    discovery = Discovery(methods=("POST",), input_example=example)
    call = described_call("https://x.example/", "GET", discovery)
    kind = "text/plain" if example == "text" else "application/json"
    assert call == Call("POST", "https://x.example/", body, kind)
    assert json.dumps(body) in code_samples(call, ())[2].text


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (10_000, "0.01"),
        (500_000, "0.50"),
        (1, "0.000001"),
        (1_500_000_000, "1,500.00"),
        (2_500, "0.0025"),
    ],
)
def test_a_price_has_at_least_two_decimals(micros: int, shown: str) -> None:
    assert shown_dollars(micros) == shown
