"""Signed payments, and the facilitator to bring them to, without a server in between."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx

from dev.economy import Economy, Wallet
from dev.economy.payer import Payer


@dataclass(frozen=True, slots=True)
class FacilitatorClient:
    """Has payments signed and brings them to the facilitator.

    Args:
        economy: Where the money is.
        payer: Signs.
        shop: The URL of what is sold.
    """

    economy: Economy
    payer: Payer
    shop: str

    def signed(self, wallet: Wallet) -> dict[str, Any]:
        """Return what a server would send to a facilitator about a new payment."""
        requirements = httpx.get(self.shop).headers["payment-required"]
        _, value = self.payer.sign(wallet, self.shop)
        return {
            "x402Version": 2,
            "paymentPayload": json.loads(base64.b64decode(value)),
            "paymentRequirements": json.loads(base64.b64decode(requirements))["accepts"][0],
        }

    def signed_v1(self, wallet: Wallet, v1_shop: str) -> dict[str, Any]:
        """Return the same in version 1, for what the shop at `v1_shop` sells."""
        requirements = httpx.get(v1_shop).json()["accepts"][0]
        _, value = self.payer.sign(wallet, v1_shop, version=1)
        return {
            "x402Version": 1,
            "paymentPayload": json.loads(base64.b64decode(value)),
            "paymentRequirements": requirements,
        }

    def post(self, path: str, call: dict[str, Any]) -> dict[str, Any]:
        """Return what the facilitator answers to a call, which it must accept."""
        response = httpx.post(self.economy.facilitator_url + path, json=call, timeout=60)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def is_settled(self, call: dict[str, Any]) -> bool:
        """Tell whether the chain has carried out the payment in a call."""
        authorization = call["paymentPayload"]["payload"]["authorization"]
        return self.economy.chain.is_authorization_used(
            authorization["from"], authorization["nonce"]
        )
