"""Errors and receipts of a paid request, as headers and JSON, and a page for people.

The page is for those who open the URL of a priced API: what it costs, and code that pays it. It
has no scripts, and every text in it is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core import constants
from core.calendar import timestamp
from core.ports import Json, Response
from core.responses import (
    CORS_HEADERS,
    PAYMENT_ID_HEADER,
    PAYMENT_REQUIRED_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    json_response,
    prefers_page,
)
from payments.discovery import encode_header, payment_required_header
from payments.errors import (
    FacilitatorUnavailable,
    PaymentAlreadyUsed,
    PaymentError,
    PaymentFailed,
    PaymentInProgress,
    PaymentRequired,
)
from payments.facilitator import SETTLEMENT_PENDING
from payments.models import PaymentRequest, PaymentRow
from payments.requirements import PaymentRequirements, Resource, accepts_in_body
from tenants.discovery import BODY_METHODS
from tenants.networks import EVM, SVM, family_of, known_token, network_name_v1
from tenants.pricing import UPTO

_VERSION_1 = 1
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment required</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem }}
body {{ padding: 0 1rem }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .75rem; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; padding: .75rem; border: 1px solid #8888; border-radius: .25rem }}
:root {{ color-scheme: light dark }}
</style>
<h1>{title}</h1>
<p>{description}</p>
{about}<p role="status">{message}</p>
<dl>
<dt>Address</dt><dd>{method} {url}</dd>
{ways}</dl>
<h2>How to pay</h2>
<p>Next step: copy the code below, set <code>PRIVATE_KEY</code>, and run it. A browser alone cannot
pay.</p>
<p>Programs pay for each request with <a href="https://www.x402.org" rel="noreferrer">x402</a>: a
client signs a payment, and sends the request again with it. <code>PRIVATE_KEY</code> is the key of
an account that has the token; it never leaves the program.</p>
<h3>curl: see what it costs</h3>
<pre><code class="curl">{curl}</code></pre>
{code}</html>
"""
_EVM_CODE = """<h3>Python: pip install "x402[evm,requests]"</h3>
<pre><code class="python">{python}</code></pre>
<h3>JavaScript: npm install @x402/fetch @x402/evm viem</h3>
<pre><code class="javascript">{javascript}</code></pre>
"""
_SVM_CODE = """<h3>JavaScript, on Solana: npm install @x402/fetch @x402/svm @solana/kit</h3>
<pre><code class="solana">{solana}</code></pre>
"""
_WAY = """<dt>Price of one request</dt><dd>{limit}${price}</dd>
<dt>Paid in</dt><dd>{asset_name}token {asset} on {network}{method}</dd>
<dt>Paid to</dt><dd>{pay_to}</dd>
"""
_ABOUT = """<p><a href="{page}">What this API does, and who uses it</a></p>
"""
_CURL = "curl -gi {options}{url}"
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
_SERVED_BEFORE = (
    "This payment was settled and served before, for the request named here."
    " It is not charged again, and the API's response was not stored."
)
_WITHDRAWN = (
    "This payment was settled, and no response to it is recorded. The API is not published any"
    " more, so it cannot be served now. It is not charged again."
)
ErrorT = TypeVar("ErrorT", bound=PaymentError)


@dataclass(frozen=True, slots=True)
class PaymentErrors:
    """Makes the errors that end a paid request."""

    request: PaymentRequest

    def unpaid(self) -> PaymentError:
        """Make the error for a request without a payment."""
        if not self.request.offered:
            networks = ", ".join(one.network for one in self.request.accepts)
            message = f"No facilitator settles payments on {networks} at the moment: try again."
            return self.retry_soon(FacilitatorUnavailable, "facilitator_unavailable", message)
        return self.with_requirements(
            PaymentRequired, "payment_required", "This API is paid per request, with x402."
        )

    def with_requirements(
        self, kind: type[ErrorT], reason: str, message: str, headers: Sequence[tuple[str, str]] = ()
    ) -> ErrorT:
        """Make an error with the payment requirements, so that the client can pay.

        `reason` is a code for programs, `message` a sentence; `headers` are added to the
        x402 header.
        """
        accepts = self.request.offered or self.request.accepts
        resource = self.request.resource
        document = payment_required_header(accepts, resource, message)
        is_browser = prefers_page(self.request.headers)
        page = payment_page(accepts, resource, message) if is_browser else None
        all_headers = ((PAYMENT_REQUIRED_HEADER, document), *headers)
        in_body = accepts_in_body(accepts, resource)
        return kind(message, all_headers, page, reason=reason, **in_body)

    def retry_soon(self, kind: type[ErrorT], reason: str, message: str) -> ErrorT:
        """Make an error after which the same request may be sent again in 2 seconds."""
        return kind(message, (("retry-after", "2"),), reason=reason)

    def in_progress(self, payment_id: str) -> PaymentInProgress:
        """Make the error for a payment that another request has at the moment."""
        message = "Another request with this payment is in progress: try again."
        headers = (("retry-after", "2"), (PAYMENT_ID_HEADER, payment_id))
        return PaymentInProgress(message, headers, reason="payment_in_progress")

    def already_used(self, payment_id: str) -> PaymentAlreadyUsed:
        """Make the error for a payment that was presented for another request."""
        message = "This payment was presented for another request; sign a new one."
        headers = ((PAYMENT_ID_HEADER, payment_id),)
        return PaymentAlreadyUsed(message, headers, reason="payment_already_used")

    def failed(self, row: PaymentRow, version: int, reason: str) -> PaymentFailed:
        """Make the error for a payment that could not be settled and was not charged."""
        receipt = _receipt(row, version) | {
            "success": False,
            "errorReason": reason,
            "transaction": "",
        }
        message = f"The payment could not be settled ({reason}). Nothing was charged."
        headers = _headers(row, version, receipt)
        return self.with_requirements(PaymentFailed, reason, message, headers)

    def pending(self, row: PaymentRow, version: int, transaction: str) -> FacilitatorUnavailable:
        """Make the error for a payment of which it is unknown whether it was settled."""
        receipt = _receipt(row, version) | {
            "success": False,
            "errorReason": SETTLEMENT_PENDING,
            "transaction": transaction,
        }
        message = (
            "Whether the payment was settled is not known yet. Present the same payment for the"
            " same request again: it is not charged twice, and is served once it is settled."
        )
        retry = ("retry-after", str(constants.PAYMENT_RETRY_SECONDS))
        headers = (*_headers(row, version, receipt), retry)
        return FacilitatorUnavailable(
            message, headers, reason=SETTLEMENT_PENDING, paymentId=row.payment_id
        )


def receipt_headers(row: PaymentRow, version: int) -> Sequence[tuple[str, str]]:
    """Return a settled payment's receipt as headers, for x402 version 1 or 2."""
    return _headers(row, version, _receipt(row, version))


def already_served_response(row: PaymentRow, version: int, request_id: str) -> Response:
    """Make the response to a payment that is not served (again): its receipt and no content.

    One that was not served is of an API that is not published any more.
    """
    assert row.settled_at_ms is not None
    message = _SERVED_BEFORE if row.served else _WITHDRAWN
    body: Mapping[str, Json] = {
        "ok": True,
        "requestId": request_id,
        "message": message,
        "payment": {
            "id": row.payment_id,
            "state": row.state.value,
            "requestId": row.request_id,
            "transaction": row.transaction_id,
            "network": row.network,
            "asset": row.asset,
            "amount": row.amount,
            "amountMicros": row.amount_micros,
            "payer": row.payer,
            "settledAt": timestamp(row.settled_at_ms),
        },
    }
    headers = (*CORS_HEADERS, *receipt_headers(row, version))
    return json_response(body, request_id, headers=headers)


def payment_page(accepts: Sequence[PaymentRequirements], resource: Resource, message: str) -> str:
    """Render the ways to pay for a resource as HTML, with a message for its reader."""
    # Imported here because they add 30 ms to an isolate's start, and few requests need them.
    import shlex  # noqa: PLC0415
    from html import escape  # noqa: PLC0415

    # A text in JSON is a text in Python and JavaScript, too.
    quoted = json.dumps(resource.url)
    method, body = _described_call(resource)
    sent: dict[str, Json] = {} if method == "GET" else {"method": method}
    curl = [] if method == "GET" else ["-I"] if method == "HEAD" else ["-X", method]
    python = ""
    if body is not None:
        kind = "application/json" if resource.discovery.body_type == "json" else "text/plain"
        headers = {"content-type": kind}
        sent |= {"headers": headers, "body": body}
        curl += ["-H", f"content-type: {kind}", "-d", body]
        python = f", headers={json.dumps(headers)}, data={json.dumps(body)}"
    options = f", {json.dumps(sent)}" if sent else ""
    return _PAGE.format(
        title=escape(f"Payment required: {resource.discovery.title or 'an API'}"),
        description=escape(resource.description),
        about=_ABOUT.format(page=escape(resource.page)) if resource.page else "",
        message=escape(message),
        method=method,
        url=escape(resource.url),
        ways="".join(
            _WAY.format(
                limit="at most " if one.scheme == UPTO else "",
                price=_dollars(one.amount_micros),
                asset_name=escape(_token_name(one)),
                asset=escape(one.asset),
                network=escape(network_name_v1(one.network) or one.network),
                method=", approved for Permit2" if one.is_permit2 else "",
                pay_to=escape(one.pay_to),
            )
            for one in accepts
        ),
        curl=escape(
            _CURL.format(
                options="".join(f"{shlex.quote(word)} " for word in curl),
                url=shlex.quote(resource.url),
            )
        ),
        code="".join(
            code.format(
                python=escape(
                    _PYTHON.format(
                        method=json.dumps(method),
                        url=quoted,
                        options=python,
                        **_upto_lines(_PYTHON_UPTO, accepts),
                    )
                ),
                javascript=escape(
                    _JAVASCRIPT.format(
                        url=quoted, options=options, **_upto_lines(_JAVASCRIPT_UPTO, accepts)
                    )
                ),
                solana=escape(_SOLANA.format(url=quoted, options=options)),
            )
            for family, code in ((EVM, _EVM_CODE), (SVM, _SVM_CODE))
            if any(family_of(one.network) is family for one in accepts)
        ),
    )


def _upto_lines(
    lines: tuple[str, str], accepts: Sequence[PaymentRequirements]
) -> Mapping[str, str]:
    """Return the lines of code that a client needs for the scheme `upto`, if it is accepted."""
    is_accepted = any(one.scheme == UPTO for one in accepts)
    return dict(zip(("upto_import", "upto"), lines if is_accepted else ("", ""), strict=True))


def _described_call(resource: Resource) -> tuple[str, str | None]:
    """Return the method of a call as the API describes it, and its body, if it has one."""
    discovery = resource.discovery
    method = discovery.method or resource.method
    if method not in BODY_METHODS:
        return method, None
    example = {} if discovery.input_example is None else discovery.input_example
    return method, example if isinstance(example, str) else json.dumps(example)


def _token_name(one: PaymentRequirements) -> str:
    """Return the name of a token and a comma; empty if it is not known."""
    token = known_token(one.network, one.asset)
    name = str(one.extra.get("name") or (token.name if token else ""))
    return f"{name}, " if name else ""


def _dollars(micros: int) -> str:
    return f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _receipt(row: PaymentRow, version: int) -> dict[str, Json]:
    name_v1 = network_name_v1(row.network) if version == _VERSION_1 else None
    amount = {} if row.signed_amount is None else {"amount": row.amount}
    return {
        "success": True,
        "transaction": row.transaction_id,
        "network": name_v1 or row.network,
        "payer": row.payer,
        **amount,
    }


def _headers(
    row: PaymentRow, version: int, receipt: Mapping[str, Json]
) -> Sequence[tuple[str, str]]:
    name = PAYMENT_RESPONSE_HEADER_V1 if version == _VERSION_1 else PAYMENT_RESPONSE_HEADER
    return ((name, encode_header(receipt)), (PAYMENT_ID_HEADER, row.payment_id))
