"""Worst-case payers: they repeat requests, leave, tamper, cancel, and lack money."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.ports import ProxyResponse, Response
from tests.simulation.payments.chain import Authorization, name_of, signed
from tests.simulation.payments.isolate import NETWORK, TENANTS, TOKEN, Tenant
from tests.simulation.payments.market import Market, Presented, Wish
from tests.simulation.world import at
from tests.support.payment_scene import encode, read_header

_RICH, _POOR = 10**12, 30_000
_ELSEWHERE = f"0x{0xE15E:040x}"
_TRIES = 4


def payer_address(number: int) -> str:
    return f"0x{number + 0xFA0:040X}"


@dataclass(slots=True)
class Payers:
    """All payers of one run."""

    market: Market
    visits: int = 0
    _identifiers: int = field(default=0)

    def schedule(self) -> None:
        """Give the payers money, and schedule their requests."""
        shape, chain = self.market.payment_shape, self.market.chain
        for number in range(shape.payers):
            chain.balances[payer_address(number).lower()] = _POOR if number < shape.poor else _RICH
        for at_ms in shape.visits:
            at(self.market, at_ms, self._start)

    def _start(self) -> None:
        market = self.market
        work = self._visit()
        market.loop.create_task(work, context=market.kv.outside)

    async def _visit(self) -> None:
        random = self.market.random
        self.visits += 1
        wish = _a_wish(self.market)
        if not wish.tenant.price_micros:
            await self._send(Presented(wish, {}))
            return
        if random.random() < 0.3 and not await self._is_offered(wish):
            return
        authorization = self._authorization(wish.tenant)
        identifier = self._identifier()
        presented = self._pay(wish, authorization, identifier)
        self._interfere(authorization)
        waiting = [
            self._insist(presented) for _ in range(random.choice(self.market.payment_shape.at_once))
        ]
        if random.random() < 0.15:
            other = replace(wish, target="/elsewhere")
            waiting.append(self._insist(replace(presented, wish=other)))
        if random.random() < 0.1:
            waiting.append(self._insist(self._tampered(wish, authorization)))
        if random.random() < 0.1:
            waiting.append(self._insist(self._signed_again(wish, authorization)))
        await asyncio.gather(*waiting)

    async def _is_offered(self, wish: Wish) -> bool:
        """Send a request without a payment; return whether the API requires one."""
        answer = await self._send(Presented(wish, {}))
        if not isinstance(answer, Response) or answer.status != 402:
            return False
        (offer,) = read_header(answer, "payment-required")["accepts"]
        if (offer["payTo"], offer["amount"]) != _terms(wish.tenant):
            self.market.problems.append(f"{wish.tenant} offers {offer}")
        return True

    async def _insist(self, presented: Presented) -> None:
        """Present a payment until it is decided, or the payer gives up."""
        market, random = self.market, self.market.random
        for _ in range(random.randint(1, _TRIES)):
            answer = await self._send(presented)
            is_served = isinstance(answer, ProxyResponse) or (
                answer is not None and answer.status == 200
            )
            if is_served and random.random() >= market.payment_shape.replays:
                return
            await asyncio.sleep(random.choice((0.05, 2, 31, 200, 400)))
            if answer is None and presented.identifier is not None and random.random() < 0.5:
                # A client that lost the response may sign again with the same identifier.
                again = self._authorization(presented.wish.tenant, presented.name)
                presented = self._pay(presented.wish, again, presented.identifier)

    async def _send(self, presented: Presented) -> Response | ProxyResponse | None:
        market, random = self.market, self.market.random
        leaves = random.random() < market.payment_shape.faults.client_leaves
        patience_ms = random.uniform(1, 30_000) if leaves else random.choice((60_000.0, 600_000.0))
        return await market.ask(presented, patience_ms)

    def _authorization(self, tenant: Tenant, of: tuple[str, str] | None = None) -> Authorization:
        market, random = self.market, self.market.random
        payer = payer_address(random.randrange(market.payment_shape.payers))
        pay_to, amount = _terms(tenant)
        lives_seconds = random.choice((20, 90, 300, 300, 300, 3_600))
        return {
            "from": payer if of is None else of[0],
            "to": pay_to,
            "value": amount,
            "validAfter": "0",
            "validBefore": str(int(market.loop.now_ms) // 1000 + lives_seconds),
            "nonce": f"0x{random.getrandbits(256):064x}",
        }

    def _identifier(self) -> str | None:
        random = self.market.random
        if random.random() >= 0.3:
            return None
        # Sometimes one that was used before.
        self._identifiers += random.random() < 0.7
        return f"payment-number-{self._identifiers:06d}"

    def _pay(
        self,
        wish: Wish,
        authorization: Authorization,
        identifier: str | None = None,
        signature: str | None = None,
    ) -> Presented:
        """Return a request with its payment, in either version."""
        payment = {
            "signature": signature or signed(authorization),
            "authorization": authorization,
        }
        extensions: Mapping[str, Any] = {}
        if identifier is not None:
            info = {"required": False, "id": identifier}
            extensions = {"extensions": {"payment-identifier": {"info": info}}}
        if self.market.random.random() < 0.2:
            version_1 = {"x402Version": 1, "scheme": "exact", "network": "base-sepolia"}
            headers = {"x-payment": encode({**version_1, "payload": payment, **extensions})}
        else:
            pay_to, amount = _terms(wish.tenant)
            accepted = {
                "scheme": "exact",
                "network": NETWORK,
                "asset": TOKEN,
                "payTo": pay_to,
                "amount": amount,
            }
            document = {"x402Version": 2, "accepted": accepted, "payload": payment, **extensions}
            headers = {"payment-signature": encode(document)}
        return Presented(wish, headers, name_of(authorization), identifier)

    def _tampered(self, wish: Wish, authorization: Authorization) -> Presented:
        """Return the payment with other contents and the same signature."""
        changes: Sequence[Mapping[str, str]] = (
            {"to": _ELSEWHERE},
            {"value": "0"},
            {"validBefore": str(int(authorization["validBefore"]) + 3_600)},
            {"nonce": f"0x{self.market.random.getrandbits(256):064x}"},
            {"from": payer_address(0)},
        )
        changed = {**authorization, **self.market.random.choice(changes)}
        forged = self._pay(wish, changed, None, signed(authorization))
        return replace(forged, is_forged=signed(changed) != signed(authorization))

    def _signed_again(self, wish: Wish, authorization: Authorization) -> Presented:
        """Sign another payment with the same nonce, possibly for another tenant."""
        tenant = self.market.random.choice([one for one in TENANTS if one.price_micros])
        pay_to, amount = _terms(tenant)
        ends = str(int(authorization["validBefore"]) + 60)
        again = {**authorization, "to": pay_to, "value": amount, "validBefore": ends}
        return self._pay(replace(wish, tenant=tenant), again)

    def _interfere(self, authorization: Authorization) -> None:
        """Cancel an authorization, send it to the chain, or use its nonce for another payment."""
        market, random = self.market, self.market.random
        if random.random() >= market.payment_shape.faults.payer_interferes:
            return
        elsewhere = {**authorization, "to": _ELSEWHERE, "value": "1"}

        def act() -> None:
            random.choice(
                (
                    lambda: market.chain.cancel(name_of(authorization)),
                    lambda: market.chain.send(authorization, ""),
                    lambda: market.chain.send(elsewhere, ""),
                )
            )()

        at(market, market.loop.now_ms + random.choice((1.0, 500.0, 5_000.0, 60_000.0)), act)


def _a_wish(market: Market) -> Wish:
    random = market.random
    target = random.choice(("", "/x", "/x?y=1"))
    return Wish(random.choice(TENANTS), random.choice(("GET", "GET", "POST")), target)


def _terms(tenant: Tenant) -> tuple[str, str]:
    return tenant.payee, str(tenant.price_micros)
