"""Worst-case payers: they repeat requests, leave, tamper, cancel, and lack money."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.ports import ProxyResponse, Response
from tests.simulation.payments.chain import Authorization, name_of, signed
from tests.simulation.payments.isolate import NETWORK, TENANTS, TOKEN, Tenant
from tests.simulation.payments.world import PaymentWorld, Resource, SentRequest
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

    world: PaymentWorld
    visits: int = 0
    _identifiers: int = field(default=0)

    def schedule(self) -> None:
        """Give the payers money, and schedule their requests."""
        shape, chain = self.world.payment_shape, self.world.chain
        for number in range(shape.payers):
            chain.balances[payer_address(number).lower()] = _POOR if number < shape.poor else _RICH
        for at_ms in shape.visits:
            at(self.world, at_ms, self._start)

    def _start(self) -> None:
        world = self.world
        work = self._visit()
        world.loop.create_task(work, context=world.kv.outside)

    async def _visit(self) -> None:
        random = self.world.random
        self.visits += 1
        resource = _random_resource(self.world)
        if not resource.tenant.price_micros:
            await self._send(SentRequest(resource, {}))
            return
        if random.random() < 0.3 and not await self._requires_payment(resource):
            return
        authorization = self._authorization(resource.tenant)
        identifier = self._identifier()
        sent = self._pay(resource, authorization, identifier)
        self._interfere(authorization)
        waiting = [
            self._retry(sent) for _ in range(random.choice(self.world.payment_shape.at_once))
        ]
        if random.random() < 0.15:
            other = replace(resource, target="/elsewhere")
            waiting.append(self._retry(replace(sent, resource=other)))
        if random.random() < 0.1:
            waiting.append(self._retry(self._tampered(resource, authorization)))
        if random.random() < 0.1:
            waiting.append(self._retry(self._signed_again(resource, authorization)))
        await asyncio.gather(*waiting)

    async def _requires_payment(self, resource: Resource) -> bool:
        """Send a request without a payment; return whether the API requires one."""
        response = await self._send(SentRequest(resource, {}))
        if not isinstance(response, Response) or response.status != 402:
            return False
        (requirements,) = read_header(response, "payment-required")["accepts"]
        if (requirements["payTo"], requirements["amount"]) != _terms(resource.tenant):
            self.world.problems.append(f"{resource.tenant} offers {requirements}")
        return True

    async def _retry(self, sent: SentRequest) -> None:
        """Present a payment until it is decided, or the payer gives up."""
        world, random = self.world, self.world.random
        for _ in range(random.randint(1, _TRIES)):
            response = await self._send(sent)
            is_served = isinstance(response, ProxyResponse) or (
                response is not None and response.status == 200
            )
            if is_served and random.random() >= world.payment_shape.replays:
                return
            await asyncio.sleep(random.choice((0.05, 2, 31, 200, 400)))
            if response is None and sent.identifier is not None and random.random() < 0.5:
                # A client that lost the response may sign again with the same identifier.
                again = self._authorization(sent.resource.tenant, sent.name)
                sent = self._pay(sent.resource, again, sent.identifier)

    async def _send(self, sent: SentRequest) -> Response | ProxyResponse | None:
        world, random = self.world, self.world.random
        leaves = random.random() < world.payment_shape.faults.client_leaves
        patience_ms = random.uniform(1, 30_000) if leaves else random.choice((60_000.0, 600_000.0))
        return await world.send(sent, patience_ms)

    def _authorization(self, tenant: Tenant, of: tuple[str, str] | None = None) -> Authorization:
        world, random = self.world, self.world.random
        payer = payer_address(random.randrange(world.payment_shape.payers))
        pay_to, amount = _terms(tenant)
        lives_seconds = random.choice((20, 90, 300, 300, 300, 3_600))
        return {
            "from": payer if of is None else of[0],
            "to": pay_to,
            "value": amount,
            "validAfter": "0",
            "validBefore": str(int(world.loop.now_ms) // 1000 + lives_seconds),
            "nonce": f"0x{random.getrandbits(256):064x}",
        }

    def _identifier(self) -> str | None:
        random = self.world.random
        if random.random() >= 0.3:
            return None
        # Sometimes one that was used before.
        self._identifiers += random.random() < 0.7
        return f"payment-number-{self._identifiers:06d}"

    def _pay(
        self,
        resource: Resource,
        authorization: Authorization,
        identifier: str | None = None,
        signature: str | None = None,
    ) -> SentRequest:
        """Return a request with its payment, in either version."""
        payment = {
            "signature": signature or signed(authorization),
            "authorization": authorization,
        }
        extensions: Mapping[str, Any] = {}
        if identifier is not None:
            info = {"required": False, "id": identifier}
            extensions = {"extensions": {"payment-identifier": {"info": info}}}
        if self.world.random.random() < 0.2:
            version_1 = {"x402Version": 1, "scheme": "exact", "network": "base-sepolia"}
            headers = {"x-payment": encode({**version_1, "payload": payment, **extensions})}
        else:
            pay_to, amount = _terms(resource.tenant)
            accepted = {
                "scheme": "exact",
                "network": NETWORK,
                "asset": TOKEN,
                "payTo": pay_to,
                "amount": amount,
            }
            document = {"x402Version": 2, "accepted": accepted, "payload": payment, **extensions}
            headers = {"payment-signature": encode(document)}
        return SentRequest(resource, headers, name_of(authorization), identifier)

    def _tampered(self, resource: Resource, authorization: Authorization) -> SentRequest:
        """Return the payment with other contents and the same signature."""
        changes: Sequence[Mapping[str, str]] = (
            {"to": _ELSEWHERE},
            {"value": "0"},
            {"validBefore": str(int(authorization["validBefore"]) + 3_600)},
            {"nonce": f"0x{self.world.random.getrandbits(256):064x}"},
            {"from": payer_address(0)},
        )
        changed = {**authorization, **self.world.random.choice(changes)}
        forged = self._pay(resource, changed, None, signed(authorization))
        return replace(forged, is_forged=signed(changed) != signed(authorization))

    def _signed_again(self, resource: Resource, authorization: Authorization) -> SentRequest:
        """Sign another payment with the same nonce, possibly for another tenant."""
        tenant = self.world.random.choice([one for one in TENANTS if one.price_micros])
        pay_to, amount = _terms(tenant)
        ends = str(int(authorization["validBefore"]) + 60)
        again = {**authorization, "to": pay_to, "value": amount, "validBefore": ends}
        return self._pay(replace(resource, tenant=tenant), again)

    def _interfere(self, authorization: Authorization) -> None:
        """Cancel an authorization, send it to the chain, or use its nonce for another payment."""
        world, random = self.world, self.world.random
        if random.random() >= world.payment_shape.faults.payer_interferes:
            return
        elsewhere = {**authorization, "to": _ELSEWHERE, "value": "1"}

        def act() -> None:
            random.choice(
                (
                    lambda: world.chain.cancel(name_of(authorization)),
                    lambda: world.chain.send(authorization, ""),
                    lambda: world.chain.send(elsewhere, ""),
                )
            )()

        at(world, world.loop.now_ms + random.choice((1.0, 500.0, 5_000.0, 60_000.0)), act)


def _random_resource(world: PaymentWorld) -> Resource:
    random = world.random
    target = random.choice(("", "/x", "/x?y=1"))
    return Resource(random.choice(TENANTS), random.choice(("GET", "GET", "POST")), target)


def _terms(tenant: Tenant) -> tuple[str, str]:
    return tenant.payee, str(tenant.price_micros)
