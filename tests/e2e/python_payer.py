"""Runs the official Python clients, with the line protocol of `dev/economy/node/payer.js`.

It can only pay; `payer.js` can also sign without paying.

The first argument is the transport, `httpx` or `requests`. It runs in its own process, because
its libraries emit warnings, which the tests treat as errors.
"""

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import requests
from eth_account import Account
from x402 import x402Client, x402ClientSync
from x402.http import decode_payment_response_header
from x402.http.clients import wrapHttpxWithPayment, x402_http_adapter
from x402.http.clients.httpx import x402AsyncTransport
from x402.http.clients.requests import x402HTTPAdapter
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.mechanisms.evm.upto import UptoEvmScheme

CONCURRENCY = 16
TIMEOUT_SECONDS = 120
PAYMENT_REQUIRED = "payment-required"


class AsyncVersion1(httpx.AsyncHTTPTransport):
    """Removes the version 2 header with the payment requirements, so that clients use version 1."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.headers.pop(PAYMENT_REQUIRED, None)
        return response


class Version1(requests.adapters.HTTPAdapter):
    """`AsyncVersion1` for requests."""

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response: requests.Response = super().build_response(req, resp)
        response.headers.pop(PAYMENT_REQUIRED, None)
        return response


class PayingVersion1(x402HTTPAdapter, Version1):
    """The official adapter on top of `Version1`."""


def register(client: Any, key: str) -> Any:
    """Return the client, which pays with this key, by both schemes."""
    account = Account.from_key(key)
    client.register("eip155:*", UptoEvmScheme(account))
    return register_exact_evm_client(client, account)


async def pay_with_httpx(order: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """Pay through httpx; return status, headers and body."""
    client = register(x402Client(), order["key"])
    if order["version"] == 1:
        transport = x402AsyncTransport(client, AsyncVersion1())
        http = httpx.AsyncClient(
            transport=transport, timeout=TIMEOUT_SECONDS, follow_redirects=True
        )
    else:
        http = wrapHttpxWithPayment(client, timeout=TIMEOUT_SECONDS, follow_redirects=True)
    async with http:
        response = await http.request(
            order["method"], order["url"], headers=order.get("headers"), content=order.get("body")
        )
        return response.status_code, dict(response.headers), response.text


def pay_with_requests(order: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """Pay through requests; return status, headers and body."""
    client = register(x402ClientSync(), order["key"])
    adapter = PayingVersion1(client) if order["version"] == 1 else x402_http_adapter(client)
    with requests.Session() as http:
        http.mount("http://", adapter)
        response = http.request(
            order["method"],
            order["url"],
            headers=order.get("headers"),
            data=order.get("body"),
            timeout=TIMEOUT_SECONDS,
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, headers, response.text


def purchase(transport: str, order: dict[str, Any]) -> dict[str, Any]:
    """Pay as one line of input says; return the outcome."""
    if transport == "httpx":
        status, headers, body = asyncio.run(pay_with_httpx(order))
    else:
        status, headers, body = pay_with_requests(order)
    receipt = headers.get("payment-response") or headers.get("x-payment-response")
    settled = decode_payment_response_header(receipt).model_dump(by_alias=True) if receipt else None
    return {"status": status, "headers": headers, "body": body, "receipt": settled}


def main() -> None:
    """Pay for each line until the input ends."""
    (transport,) = sys.argv[1:]
    printing = threading.Lock()

    def handle(line: str) -> None:
        order = json.loads(line)
        try:
            outcome = purchase(transport, order)
        except Exception as error:  # noqa: BLE001 (any exception of the client is an outcome)
            outcome = {"error": f"{type(error).__name__}: {error}"}
        with printing:
            print(json.dumps({"id": order["id"], **outcome}), flush=True)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for line in sys.stdin:
            pool.submit(handle, line)


if __name__ == "__main__":
    main()
