"""Signs payments and sends them directly to the facilitator."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx

from dev.economy import Economy, Wallet
from dev.economy.payer import Payer


@dataclass(frozen=True, slots=True)
class FacilitatorClient:
    """Signs payments and sends them to the facilitator.

    Args:
        economy: The facilitator and its chain.
        payer: The client that signs.
        shop: The URL of a priced resource.
    """

    economy: Economy
    payer: Payer
    shop: str

    def signed(self, wallet: Wallet) -> dict[str, Any]:
        """Return a facilitator request for a new payment, as a server would send it."""
        requirements = httpx.get(self.shop).headers["payment-required"]
        _, value = self.payer.sign(wallet, self.shop)
        return {
            "x402Version": 2,
            "paymentPayload": json.loads(base64.b64decode(value)),
            "paymentRequirements": json.loads(base64.b64decode(requirements))["accepts"][0],
        }

    def signed_v1(self, wallet: Wallet, v1_shop: str) -> dict[str, Any]:
        """Return the same in version 1, for the resource `v1_shop`."""
        requirements = httpx.get(v1_shop).json()["accepts"][0]
        _, value = self.payer.sign(wallet, v1_shop, version=1)
        return {
            "x402Version": 1,
            "paymentPayload": json.loads(base64.b64decode(value)),
            "paymentRequirements": requirements,
        }

    def post(self, path: str, call: dict[str, Any]) -> dict[str, Any]:
        """Send a call; return the facilitator's response, which must have status 200."""
        response = httpx.post(self.economy.facilitator_url + path, json=call, timeout=60)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def is_settled(self, call: dict[str, Any]) -> bool:
        """Tell whether the payment in a call was settled on the chain."""
        authorization = call["paymentPayload"]["payload"]["authorization"]
        return self.economy.chain.is_authorization_used(
            authorization["from"], authorization["nonce"]
        )
