"""One run of payments: isolates, tenants, cron, and checks of every response.

The invariants at rest are in `invariants`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from core.ports import ProxyResponse, Response
from core.responses import PAYMENT_ID_HEADER, REQUEST_ID_HEADER
from gateway.request_context import TENANT_ID_HEADER
from tests.simulation.isolate import BACKGROUND_MS, Invocation, Isolate, IsolateShards, Recorder
from tests.simulation.kv import SimulatedKv
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
from tests.simulation.payments.network import NODE_URL, SimulatedNetwork, SimulatedScripts
from tests.simulation.payments.node import SimulatedNode
from tests.simulation.payments.shape import PaymentShape, payment_shape_of
from tests.simulation.store import SimulatedStore
from tests.simulation.world import World, at
from tests.support.fakes import FakeRequest


@dataclass(frozen=True, slots=True)
class Resource:
    """What a payer requests: equal resources are equal requests."""

    tenant: Tenant
    method: str
    target: str

    @property
    def url(self) -> str:
        return f"http://h.example/t/{self.tenant.slug}{self.target}"


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it was sent; `name` identifies its authorization, if any.

    A forged one has the signature of another payment.
    """

    resource: Resource
    headers: Mapping[str, str]
    name: Name | None = None
    identifier: str | None = None
    is_forged: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """A request whose response was sent, at a time in the simulation."""

    request_id: str
    invocation: Invocation = field(repr=False)
    at_ms: float = 0


@dataclass(slots=True, kw_only=True)
class PaymentWorld(World):
    """The state of one run."""

    payment_shape: PaymentShape
    chain: SimulatedChain
    facilitators: Mapping[str, SimulatedFacilitator]
    node: SimulatedNode
    deployment: Deployment
    requests: dict[str, SentRequest] = field(default_factory=dict)
    """Every request by its id in the dispatcher."""
    served: dict[str, list[Served]] = field(default_factory=dict)
    """The requests that were served for each payment."""
    refused: dict[str, str] = field(default_factory=dict)
    """The requests that were refused because of their payment, with the error code."""
    receipts: int = 0

    def start_isolate(self) -> PaidIsolate:
        """Start an isolate at a random location, with its own clock."""
        shape, random = self.shape, self.random
        self._started += 1
        clock = self.new_clock()
        store = SimulatedStore(self.kv, self.some_location())
        shards = IsolateShards(self, self.shard_count)
        isolate = PaidIsolate(
            self.loop,
            store,
            shards,
            clock,
            Recorder(f"{self._started:016x}", clock, shards, store),
            fuse=int(random.expovariate(1 / shape.fuse)) + 1 if shape.fuse else 0,
            deployment=self.deployment,
        )
        self.isolates.append(isolate)
        return isolate

    def reliable_isolate(self) -> PaidIsolate:
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

    async def call_shard(self, shard: int, method: str, argument: str) -> str:
        """Call a shard from an isolate."""
        return await self.object_of(shard).call(method, argument)

    def set_faults(self, faults: Faults) -> None:
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

    async def send(
        self, sent: SentRequest, patience_ms: float, isolate: PaidIsolate | None = None
    ) -> Response | ProxyResponse | None:
        """Send a request and wait for the response; None on a timeout."""
        isolate = isolate or self.some_isolate()
        invocation = self.invocation(isolate)
        received: asyncio.Future[Response | ProxyResponse | None] = self.loop.create_future()

        def leave() -> None:
            if not received.done():
                received.set_result(None)
                invocation.responded()

        self.loop.call_later(patience_ms / 1000, leave, context=self.kv.outside)
        invocation.run(self._handle(isolate, invocation, sent, received))
        return await received

    async def _handle(
        self,
        isolate: PaidIsolate,
        invocation: Invocation,
        sent: SentRequest,
        received: asyncio.Future[Response | ProxyResponse | None],
    ) -> None:
        resource = sent.resource
        request = FakeRequest(resource.url, resource.method, sent.headers)
        request_id = isolate.next_request_id()
        self.requests[request_id] = sent
        response = await isolate.dispatcher.handle(request, invocation)
        # A client that left may have received the response.
        self._check_response(request_id, sent, response, invocation)
        if not received.done():
            received.set_result(response)
            invocation.responded()

    def _check_response(
        self,
        request_id: str,
        sent: SentRequest,
        response: Response | ProxyResponse,
        invocation: Invocation,
    ) -> None:
        """Check the invariants of a response."""
        headers = dict(response.headers if isinstance(response, Response) else response.set_headers)
        if headers.get(REQUEST_ID_HEADER) != request_id:
            self.problems.append(
                f"{request_id} has the response of {headers.get(REQUEST_ID_HEADER)}"
            )
        tenant = sent.resource.tenant
        if isinstance(response, ProxyResponse):
            if headers[TENANT_ID_HEADER] != tenant.tenant_id:
                self.problems.append(f"{request_id} for {tenant} is served by another tenant")
            if response.upstream.status < 300 and tenant.price_micros:
                served = Served(request_id, invocation, self.loop.now_ms)
                self._check_served(served, sent, headers.get(PAYMENT_ID_HEADER))
            return
        body = json.loads(response.body)
        if "payment" in body:
            self.receipts += 1
            self.refused[request_id] = "receipt"
            self._check_settled(request_id, sent, body["payment"]["id"])
        elif body["error"].startswith(("payment_", "facilitator_")):
            self.refused[request_id] = body.get("reason", body["error"])

    def _check_served(self, served: Served, sent: SentRequest, payment_id: str | None) -> None:
        if payment_id is None:
            self.problems.append(f"{served.request_id} is served unpaid: it names no payment")
            return
        self._check_settled(served.request_id, sent, payment_id)
        earlier = self.served.setdefault(payment_id, [])
        # Only if it could not record that the response was sent, another one is sent.
        if any(not self._was_interrupted(one) for one in earlier):
            self.problems.append(f"payment {payment_id} is served {len(earlier) + 1} times")
        earlier.append(served)

    def _was_interrupted(self, served: Served) -> bool:
        """Return whether a request's isolate died, or D1 failed, after its response was sent."""
        invocation = served.invocation
        return (
            not invocation.isolate.alive
            or invocation.was_dropped
            or any(
                served.at_ms <= at_ms <= served.at_ms + BACKGROUND_MS
                for at_ms in self.deployment.database.failed_at_ms
            )
        )

    def payment_rows(self) -> list[dict[str, Any]]:
        """Return all payments, archived ones included, in the order of their ids."""
        rows = self.deployment.database.rows("SELECT * FROM payments")
        return sorted([*rows, *self._archived("payments")], key=lambda row: row["payment_id"])

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries of the ledger, archived ones included."""
        return self.deployment.database.rows("SELECT * FROM entries") + self._archived("entries")

    def _archived(self, kind: str) -> list[dict[str, Any]]:
        keys = [row["key"] for row in self.deployment.database.rows("SELECT key FROM archives")]
        values = [self.kv.records[key][-1].value or "" for key in keys]
        return [row for value in values for row in json.loads(value)[kind]]

    def _check_settled(self, request_id: str, sent: SentRequest, payment_id: str) -> None:
        """Check that a served payment is settled, for this request and by this payer."""
        found = [row for row in self.payment_rows() if row["payment_id"] == payment_id]
        if not found or found[0]["state"] != "settled":
            self.problems.append(f"{request_id} is served unpaid: {payment_id} is not settled")
            return
        row = found[0]
        name, resource = (row["payer"], row["nonce"]), sent.resource
        transfers = [one for one in self.chain.transfers if one.name == name]
        expected = (resource.tenant.payee, resource.tenant.price_micros)
        if [(one.payee, one.value) for one in transfers] != [expected]:
            self.problems.append(f"{request_id} is served unpaid: {expected} did not move")
        if self.requests[row["request_id"]].resource != resource:
            self.problems.append(f"{request_id} is served with a payment for another request")
        is_own = sent.name == name or (
            sent.identifier is not None
            and sent.name is not None
            and (sent.name[0], sent.identifier) == (row["payer"], row["identifier"])
        )
        if not is_own or sent.is_forged:
            self.problems.append(f"{request_id} is served with another payer's payment")


def new_world(seed: int) -> PaymentWorld:
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
    world = PaymentWorld(
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
    kv.watch = world.watch
    world.set_faults(shape.faults)
    return world


def schedule_deaths_and_cron(world: PaymentWorld) -> None:
    """Schedule everything except payers."""

    def kill() -> None:
        if living := world.living():
            world.random.choice(living).die()

    def restart() -> None:
        if world.objects:
            world.random.choice([*world.objects.values()]).restart()

    for at_ms in world.shape.kills:
        at(world, at_ms, kill)
    for at_ms in world.shape.restarts:
        at(world, at_ms, restart)
    if world.shape.more_shards is not None:
        more_ms, count = world.shape.more_shards
        at(world, more_ms, lambda: setattr(world, "shard_count", count))
    for at_ms in world.payment_shape.cron:
        at(world, at_ms, world.cron)
