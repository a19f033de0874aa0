"""Code that calls an API, and pays it if it is priced: for curl, Python and JavaScript.

Nothing is escaped for HTML. Values are quoted for the language that they are in.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.ports import Json
from payments.requirements import PaymentRequirements
from tenants.discovery import BODY_METHODS, Discovery
from tenants.networks import EVM, SVM, family_of
from tenants.pricing import UPTO

_CURL = "curl -gi {options}{url}"
_PLAIN_PYTHON = """import requests

print(requests.request({method}, {url}{options}).text)"""
_PLAIN_JAVASCRIPT = """const response = await fetch({url}{options});
console.log(await response.text());"""
_PYTHON = """import os

from eth_account import Account
from x402 import x402ClientSync
from x402.http.clients import x402_requests
from x402.mechanisms.evm.exact.register import register_exact_evm_client
{upto_import}
account = Account.from_key(os.environ["PRIVATE_KEY"])
client = register_exact_evm_client(x402ClientSync(), account)
{upto}print(x402_requests(client).request({method}, {url}{options}).text)"""
_PYTHON_UPTO = (
    "from x402.mechanisms.evm.upto import UptoEvmScheme\n",
    'client.register("eip155:*", UptoEvmScheme(account))\n',
)
_JAVASCRIPT = """import {{ registerExactEvmScheme }} from "@x402/evm/exact/client";
{upto_import}import {{ wrapFetchWithPayment, x402Client }} from "@x402/fetch";
import {{ privateKeyToAccount }} from "viem/accounts";

const signer = privateKeyToAccount(process.env.PRIVATE_KEY);
const client = registerExactEvmScheme(new x402Client(), {{ signer }});
{upto}const response = await wrapFetchWithPayment(fetch, client)({url}{options});
console.log(await response.text());"""
_JAVASCRIPT_UPTO = (
    'import { UptoEvmScheme } from "@x402/evm/upto/client";\n',
    'client.register("eip155:*", new UptoEvmScheme(signer));\n',
)
_SOLANA = """import {{ createKeyPairSignerFromBytes, getBase58Encoder }} from "@solana/kit";
import {{ wrapFetchWithPayment, x402Client }} from "@x402/fetch";
import {{ registerExactSvmScheme }} from "@x402/svm/exact/client";

const key = getBase58Encoder().encode(process.env.PRIVATE_KEY);
const signer = await createKeyPairSignerFromBytes(key);
const client = registerExactSvmScheme(new x402Client(), {{ signer }});
const response = await wrapFetchWithPayment(fetch, client)({url}{options});
console.log(await response.text());"""


class Call(NamedTuple):
    """A request to an API: its method, URL, and, unless it has none, its body and media type."""

    method: str
    url: str
    body: str | None = None
    media_type: str = ""


class CodeSample(NamedTuple):
    """A program. `name` is `curl`, `python`, `javascript` or `solana`; `title` is for people."""

    name: str
    title: str
    text: str


def described_call(url: str, method: str, discovery: Discovery) -> Call:
    """Return the call that a record describes, or one with `method` if it describes none."""
    method = discovery.method or method
    if method not in BODY_METHODS:
        return Call(method, url)
    example = {} if discovery.input_example is None else discovery.input_example
    body = example if isinstance(example, str) else json.dumps(example)
    kind = "application/json" if discovery.body_type == "json" else "text/plain"
    return Call(method, url, body, kind)


def code_samples(call: Call, accepts: Sequence[PaymentRequirements]) -> Sequence[CodeSample]:
    """Return programs that send a request and pay it in one of these ways; none if it is free."""
    curl: list[str] = {"GET": [], "HEAD": ["-I"]}.get(call.method, ["-X", call.method])
    sent: dict[str, Json] = {} if call.method == "GET" else {"method": call.method}
    python = ""
    if call.body is not None:
        headers = {"content-type": call.media_type}
        sent |= {"headers": headers, "body": call.body}
        curl = [*curl, "-H", f"content-type: {call.media_type}", "-d", call.body]
        python = f", headers={json.dumps(headers)}, data={json.dumps(call.body)}"
    # A text in JSON is a text in Python and JavaScript, too.
    texts = {"method": json.dumps(call.method), "url": json.dumps(call.url)}
    for_python = {**texts, "options": python}
    for_javascript = {**texts, "options": f", {json.dumps(sent)}" if sent else ""}
    words = "".join(f"{shlex.quote(word)} " for word in curl)
    command = _CURL.format(options=words, url=shlex.quote(call.url))
    if not accepts:
        return [
            CodeSample("curl", "curl", command),
            CodeSample(
                "python", "Python: pip install requests", _PLAIN_PYTHON.format(**for_python)
            ),
            CodeSample("javascript", "JavaScript", _PLAIN_JAVASCRIPT.format(**for_javascript)),
        ]
    samples = [CodeSample("curl", "curl: see what it costs", command)]
    families = {family_of(one.network) for one in accepts}
    if EVM in families:
        upto = any(one.scheme == UPTO for one in accepts)
        python_code = _PYTHON.format(**for_python, **_upto_lines(_PYTHON_UPTO, is_accepted=upto))
        javascript = _JAVASCRIPT.format(
            **for_javascript, **_upto_lines(_JAVASCRIPT_UPTO, is_accepted=upto)
        )
        samples += [
            CodeSample("python", 'Python: pip install "x402[evm,requests]"', python_code),
            CodeSample(
                "javascript", "JavaScript: npm install @x402/fetch @x402/evm viem", javascript
            ),
        ]
    if SVM in families:
        title = "JavaScript, on Solana: npm install @x402/fetch @x402/svm @solana/kit"
        samples.append(CodeSample("solana", title, _SOLANA.format(**for_javascript)))
    return samples


def _upto_lines(lines: tuple[str, str], *, is_accepted: bool) -> Mapping[str, str]:
    """Return the lines of code that a client needs for the scheme `upto`, if it is accepted."""
    return dict(zip(("upto_import", "upto"), lines if is_accepted else ("", ""), strict=True))
