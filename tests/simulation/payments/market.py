"""One run of payments: isolates, tenants, cron, and checks of every response.

The invariants at rest are in `accounts`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from core import keys
from core.ports import ProxyResponse, Response
from core.responses import REQUEST_ID_HEADER
from gateway.request_context import TENANT_ID_HEADER
from payments.responses import PAYMENT_ID_HEADER
from tests.simulation.isolate import Invocation, Isolate
from tests.simulation.kv import SimulatedKv, Version
from tests.simulation.loop import VirtualLoop
from tests.simulation.payments.chain import Name, SimulatedChain
from tests.simulation.payments.database import SimulatedDatabase
from tests.simulation.payments.facilitator import SimulatedFacilitator
from tests.simulation.payments.faults import Faults
from tests.simulation.payments.isolate import (
    FACILITATORS,
    NETWORK,
    TOKEN,
    Deployment,
    PaidIsolate,
    Tenant,
    settings,
)
from tests.simulation.payments.node import SimulatedNode
from tests.simulation.payments.outside import NODE_URL, SimulatedNetwork, SimulatedScripts
from tests.simulation.payments.shape import PaymentShape, payment_shape_of
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World, at
from tests.support.fakes import FakeRequest
from usage import UsageRecorder


@dataclass(frozen=True, slots=True)
class Wish:
    """What a payer requests: equal wishes are equal requests."""

    tenant: Tenant
    method: str
    target: str

    @property
    def url(self) -> str:
        return f"http://h.example/t/{self.tenant.slug}{self.target}"


@dataclass(frozen=True, slots=True)
class Presented:
    """A request as it was sent; `name` identifies its authorization, if any.

    A forged one has the signature of another payment.
    """

    wish: Wish
    headers: Mapping[str, str]
    name: Name | None = None
    identifier: str | None = None
    is_forged: bool = False


@dataclass(slots=True, kw_only=True)
class Market(World):
    """The state of one run."""

    payment_shape: PaymentShape
    chain: SimulatedChain
    facilitators: Mapping[str, SimulatedFacilitator]
    node: SimulatedNode
    deployment: Deployment
    asked: dict[str, Presented] = field(default_factory=dict)
    """Every request by its id in the dispatcher."""
    served: dict[str, list[str]] = field(default_factory=dict)
    """The requests that were served for each payment."""
    refused: dict[str, str] = field(default_factory=dict)
    """The requests that were refused because of their payment, with the error code."""
    receipts: int = 0

    def start_isolate(self) -> PaidIsolate:
        """Start an isolate at a random location, with its own clock."""
        shape, random = self.shape, self.random
        self._started += 1
        clock = self.new_clock()
        isolate = PaidIsolate(
            self.loop,
            SimulatedStore(self.kv, f"location-{random.randrange(shape.locations)}"),
            clock,
            UsageRecorder(f"{self._started:016x}", clock),
            self,
            fuse=int(random.expovariate(1 / shape.fuse)) + 1 if shape.fuse else 0,
            deployment=self.deployment,
        )
        self.isolates.append(isolate)
        return isolate

    def calm_isolate(self) -> PaidIsolate:
        """Start an isolate that does not die and has the true time."""
        isolate = self.start_isolate()
        isolate.fuse = 0
        isolate.clock.be_true()
        return isolate

    def some_isolate(self) -> PaidIsolate:
        """Return the isolate for the next request; dead isolates are replaced."""
        living = [isolate for isolate in self.isolates if isolate.alive]
        if len(living) < self.shape.isolates:
            return self.start_isolate()
        chosen = self.random.choice(living)
        assert isinstance(chosen, PaidIsolate)
        return chosen

    def invocation(self, isolate: Isolate) -> Invocation:
        """Start an invocation, which may be dropped after some steps."""
        cut = self.random.random() < self.shape.cut
        return Invocation(isolate, fuse=self.random.randint(1, 80) if cut else 0)

    def watch(self, key: str, version: Version) -> None:
        """Check every write when it takes effect: a batch never changes."""
        if key.startswith(keys.USAGE_PREFIX):
            before = self.kv.records[key][:-1]
            if any(old.value != version.value for old in before):
                self.problems.append(f"the batch {key} was written with another value")

    def worsen(self, faults: Faults) -> None:
        """Apply `faults` to everything from now on."""
        shared = self.deployment
        shared.database.faults = shared.scripts.faults = faults
        self.chain.faults = self.node.faults = faults
        for facilitator in self.facilitators.values():
            facilitator.faults = faults

    def cron(self) -> None:
        """Run cron in some isolate."""
        isolate = self.some_isolate()
        self.invocation(isolate).run(isolate.scheduled())

    async def ask(
        self, presented: Presented, patience_ms: float, isolate: PaidIsolate | None = None
    ) -> Response | ProxyResponse | None:
        """Send a request and wait for the response; None on a timeout."""
        isolate = isolate or self.some_isolate()
        invocation = self.invocation(isolate)
        answered: asyncio.Future[Response | ProxyResponse | None] = self.loop.create_future()

        def leave() -> None:
            if not answered.done():
                answered.set_result(None)
                invocation.responded()

        self.loop.call_later(patience_ms / 1000, leave, context=self.kv.outside)
        invocation.run(self._handle(isolate, invocation, presented, answered))
        return await answered

    async def _handle(
        self,
        isolate: PaidIsolate,
        invocation: Invocation,
        presented: Presented,
        answered: asyncio.Future[Response | ProxyResponse | None],
    ) -> None:
        wish = presented.wish
        request = FakeRequest(wish.url, wish.method, presented.headers)
        request_id = isolate.next_request_id()
        self.asked[request_id] = presented
        answer = await isolate.dispatcher.handle(request, invocation)
        # A client that left may have received the response.
        self._judge(request_id, presented, answer)
        if not answered.done():
            answered.set_result(answer)
            invocation.responded()

    def _judge(
        self, request_id: str, presented: Presented, answer: Response | ProxyResponse
    ) -> None:
        """Check the invariants of a response."""
        headers = dict(answer.headers if isinstance(answer, Response) else answer.set_headers)
        if headers.get(REQUEST_ID_HEADER) != request_id:
            self.problems.append(f"{request_id} is answered as {headers.get(REQUEST_ID_HEADER)}")
        tenant = presented.wish.tenant
        if isinstance(answer, ProxyResponse):
            if headers[TENANT_ID_HEADER] != tenant.tenant_id:
                self.problems.append(f"{request_id} for {tenant} is answered by another tenant")
            if answer.upstream.status < 400 and tenant.price_micros:
                self._judge_served(request_id, presented, headers.get(PAYMENT_ID_HEADER))
            return
        body = json.loads(answer.body)
        if "payment" in body:
            self.receipts += 1
            self.refused[request_id] = "receipt"
            self._judge_row(request_id, presented, body["payment"]["id"])
        elif body["error"].startswith(("payment_", "facilitator_")):
            self.refused[request_id] = body.get("reason", body["error"])

    def _judge_served(self, request_id: str, presented: Presented, payment_id: str | None) -> None:
        if payment_id is None:
            self.problems.append(f"{request_id} is served unpaid: it names no payment")
            return
        self._judge_row(request_id, presented, payment_id)
        requests = self.served.setdefault(payment_id, [])
        requests.append(request_id)
        if len(requests) > 1:
            self.problems.append(f"payment {payment_id} is served {len(requests)} times")

    def _judge_row(self, request_id: str, presented: Presented, payment_id: str) -> None:
        """Check that a served payment is settled, for this request and by this payer."""
        sql = "SELECT * FROM payments WHERE payment_id = ?"
        found = self.deployment.database.rows(sql, payment_id)
        if not found or found[0]["state"] != "settled":
            self.problems.append(f"{request_id} is served unpaid: {payment_id} is not settled")
            return
        row = found[0]
        name, wish = (row["payer"], row["nonce"]), presented.wish
        transfers = [one for one in self.chain.transfers if one.name == name]
        due = (wish.tenant.payee, wish.tenant.price_micros)
        if [(one.payee, one.value) for one in transfers] != [due]:
            self.problems.append(f"{request_id} is served unpaid: {due} did not move")
        if self.asked[row["request_id"]].wish != wish:
            self.problems.append(f"{request_id} is served with a payment for another request")
        is_own = presented.name == name or (
            presented.identifier is not None
            and presented.name is not None
            and (presented.name[0], presented.identifier) == (row["payer"], row["identifier"])
        )
        if not is_own or presented.is_forged:
            self.problems.append(f"{request_id} is served with another payer's payment")


def new_market(seed: int) -> Market:
    """Return the initial state of a run."""
    random = Random(seed)
    shape = payment_shape_of(random)
    metering = shape.metering

    def draw() -> Random:
        return Random(random.random())

    loop = VirtualLoop(draw(), metering.start_ms)  # type: ignore[abstract]
    kv = SimulatedKv(loop, draw(), metering.temper)
    chain = SimulatedChain(loop, draw(), kv.outside, metering.start_ms)
    urls = FACILITATORS[: shape.facilitators]
    facilitators = {url: SimulatedFacilitator(url, NETWORK, chain, draw()) for url in urls}
    node = SimulatedNode(chain, draw(), TOKEN)
    deployment = Deployment(
        SimulatedDatabase(loop, draw(), kv.outside),
        SimulatedNetwork(loop, draw(), kv.outside, facilitators, node),
        SimulatedScripts(draw()),
        settings(",".join(urls), NODE_URL if shape.has_node else None),
    )
    market = Market(
        seed,
        metering,
        random,
        loop,
        kv,
        payment_shape=shape,
        chain=chain,
        facilitators=facilitators,
        node=node,
        deployment=deployment,
    )
    kv.watch = market.watch
    market.worsen(shape.faults)
    return market


def schedule_deaths_and_cron(market: Market) -> None:
    """Schedule everything except payers."""

    def kill() -> None:
        if living := market.living():
            market.random.choice(living).die()

    for at_ms in market.shape.kills:
        at(market, at_ms, kill)
    for at_ms in market.payment_shape.cron:
        at(market, at_ms, market.cron)
