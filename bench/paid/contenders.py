"""The contenders with a priced API, and signed payments for them."""

from __future__ import annotations

import httpx

from bench.load import request_text
from bench.requests.contender import TENANT, Contender
from dev.economy import Economy, Wallet
from dev.economy.signing import decoded, encoded, sign
from dev.launch.options import HOST

PAID = "this dispatcher, paid"
UNPAID = "this dispatcher, unpaid"
MIDDLEWARE = "@x402/hono, paid"
MIDDLEWARE_UNPAID = "@x402/hono, unpaid"
PRICE_MICROS = 10_000
TARGET = "/t/sold/item"
SOLD = {
    **TENANT,
    "slug": "sold",
    "tenantId": "bench-sold",
    "priceUsd": "0.01",
    "x402Enabled": True,
}
WAITED_SECONDS = 5.0


def contenders(economy: Economy) -> tuple[Contender, Contender]:
    """Return the official middleware and this dispatcher, with payments in an economy."""
    settings = economy.settings()
    return (
        Contender("m", MIDDLEWARE, "middleware.js", variables=settings),
        Contender("g", PAID, tenants=(TENANT, SOLD), variables=settings),
    )


def signed(port: int, buyer: Wallet, payments: int) -> list[bytes]:
    """Return requests with signed payments, for payment requirements that are fetched first."""
    response = httpx.get(f"http://{HOST}:{port}{TARGET}", timeout=WAITED_SECONDS)
    requirements = decoded(response.headers["payment-required"])
    return [
        request_text(
            port, TARGET, headers={"payment-signature": encoded(sign(buyer, requirements))}
        )
        for _ in range(payments)
    ]
