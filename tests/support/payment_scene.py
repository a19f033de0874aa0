"""A deployment in memory, a payer before it, and isolates that come and go."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from core.keys import USAGE_PREFIX, parse_usage_batch
from core.ports import Json, ProxyResponse, Request, Response
from gateway.dispatcher import Dispatcher
from metering.events import UsageEvent, decode_batch
from payments.chain import RPC_SETTING
from payments.reconciliation import run
from payments.resolution import resolver_of
from tenants.directory import TenantDirectory
from tests.support.dispatcher_scene import Platform
from tests.support.fake_chain import (
    NETWORK,
    PAYEE,
    PAYER,
    RPC_URL,
    URL,
    USDC,
    Chain,
    Facilitator,
    signature,
)
from tests.support.fakes import (
    FakeBackground,
    FakeClock,
    FakeEnvironment,
    FakeRequest,
    FakeUpstreamResponse,
)
from tests.support.fault_injection import (
    Fuse,
    FusedDatabase,
    FusedFetcher,
    FusedNamespace,
    FusedQuotaCounters,
    FusedStore,
)
from usage import UsageRecorder

PRICE_MICROS = 10_000
SETTINGS = {
    "CALLER_HASH_SECRET": "secret",
    "FACILITATOR_URL": URL,
    "FACILITATOR_API_KEY": "facilitators-key",
    "X402_NETWORK": NETWORK,
    "X402_ASSET": USDC,
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "PAY_TO_ADDRESS": PAYEE,
}
TENANTS: list[dict[str, Any]] = [
    {"slug": "paid", "tenantId": "t1", "workerName": "p", "priceUsd": 0.01, "x402Enabled": True},
    {"slug": "dear", "tenantId": "t2", "workerName": "d", "priceUsd": 2, "x402Enabled": True},
    {"slug": "free", "tenantId": "t3", "workerName": "f"},
]


def pay(
    answer: Response,
    number: int = 1,
    *,
    now_ms: int,
    identifier: str | None = None,
    **changes: Any,
) -> dict[str, str]:
    """Pay what a 402 asks for, as a client of version 2 does; `changes` are of what is signed."""
    offer = read_header(answer, "payment-required")
    accepted = offer["accepts"][0]
    authorization = {
        "from": PAYER,
        "to": accepted["payTo"],
        "value": accepted["amount"],
        "validAfter": "0",
        "validBefore": str(now_ms // 1000 + accepted["maxTimeoutSeconds"]),
        "nonce": f"0x{number:064x}",
        **changes,
    }
    payload: dict[str, Any] = {
        "x402Version": 2,
        # Clients reorder what they echo, and drop what they do not know.
        "accepted": dict(reversed([*accepted.items()])),
        "payload": {"signature": signature(authorization), "authorization": authorization},
    }
    if identifier is not None:
        info = {"required": False, "id": identifier}
        payload["extensions"] = {"payment-identifier": {"info": info}}
    return {"payment-signature": encode(payload)}


def pay_v1(answer: Response, nonce: int = 1, *, now_ms: int) -> dict[str, str]:
    """Pay what the body of a 402 asks for, as a client of version 1 does."""
    accepted = json.loads(answer.body)["accepts"][0]
    authorization = {
        "from": PAYER,
        "to": accepted["payTo"],
        "value": accepted["maxAmountRequired"],
        "validAfter": str(now_ms // 1000 - 600),
        "validBefore": str(now_ms // 1000 + accepted["maxTimeoutSeconds"]),
        "nonce": f"0x{nonce:064x}",
    }
    payload = {
        "x402Version": 1,
        "scheme": accepted["scheme"],
        "network": accepted["network"],
        "payload": {"signature": signature(authorization), "authorization": authorization},
    }
    return {"x-payment": encode(payload)}


def encode(document: Json) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def read_header(answer: Response | ProxyResponse, name: str) -> Any:
    """Decode one of the protocol's headers."""
    headers = answer.headers if isinstance(answer, Response) else answer.set_headers
    return json.loads(base64.b64decode(dict(headers)[name], validate=True))


@dataclass
class Market:
    """One deployment with everything around it, in which isolates come and go."""

    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    clock: FakeClock = field(default_factory=FakeClock)
    chain: Chain = field(default_factory=Chain)
    reply: FakeUpstreamResponse | Exception = field(default_factory=FakeUpstreamResponse)
    tenants: list[dict[str, Any]] = field(default_factory=lambda: list(TENANTS))

    def __post_init__(self) -> None:
        self.facilitator = Facilitator(self.chain, self.clock)
        self.store = FusedStore()
        self.database = FusedDatabase()
        self.fetcher = FusedFetcher(self.facilitator.answer)
        self.namespace = FusedNamespace(clock=self.clock)
        self.counters = FusedQuotaCounters()
        self.served: list[str] = []
        self.isolates = 0
        self.start()

    def start(self) -> None:
        """Start an isolate; the one before is gone with its memory."""
        self.isolates += 1
        self.namespace.response = self.reply
        self.environment = FakeEnvironment(
            usage_store=self.store,
            namespace=self.namespace,
            control_database=self.database,
            fetcher=self.fetcher,
            settings=self.settings,
            quota_counters=self.counters,
        )
        self.log = UsageRecorder(f"w{self.isolates}", self.clock)
        directory = TenantDirectory(self.clock, None, json.dumps({"tenants": self.tenants}))
        reader = Analytics(self.clock, self.log)
        explore = Explore(self.environment, self.clock, reader, edge=None)
        self.dispatcher = Dispatcher(
            self.environment, self.clock, directory, self.log, Platform(), explore
        )
        self.background = FakeBackground()

    def fuse(self, left: int | None) -> Fuse:
        """Give the isolate a fuse; it dies at the operation that burns it down."""
        fuse = Fuse(left)
        self.store.fuse = self.database.fuse = self.fetcher.fuse = self.namespace.fuse = fuse
        self.counters.fuse = fuse
        return fuse

    async def send(
        self, path: str = "/t/paid/x", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response | ProxyResponse:
        """Send a request and let the isolate finish what it promised to do afterwards."""
        request: Request = FakeRequest("http://h.example" + path, method, dict(headers or {}))
        self.namespace.response = self.reply
        answer = await self.dispatcher.handle(request, self.background)
        if isinstance(answer, ProxyResponse) and answer.upstream.status < 400:
            self.served.append(dict(answer.set_headers)["x-request-id"])
        await self.background.finish()
        return answer

    def ask(
        self, path: str = "/t/paid/x", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response | ProxyResponse:
        return asyncio.run(self.send(path, headers, method))

    def offer(self, path: str = "/t/paid/x") -> Response:
        answer = self.ask(path)
        assert isinstance(answer, Response)
        assert answer.status == 402
        return answer

    def payment(self, number: int = 1, path: str = "/t/paid/x", **changes: Any) -> dict[str, str]:
        """Get an offer and sign it."""
        return pay(self.offer(path), number, now_ms=self.clock.at_ms, **changes)

    def cron(self, runs: int = 1) -> None:
        """Let cron come, a minute apart."""
        for _ in range(runs):
            self.clock.at_ms += 60_000
            name = f"cron-{self.clock.at_ms}"
            asyncio.run(run(resolver_of(self.environment, self.clock), name))

    @property
    def payments(self) -> list[dict[str, Any]]:
        return self.database.rows("SELECT * FROM payments ORDER BY claimed_at_ms, payment_id")

    @property
    def states(self) -> list[str]:
        return [row["state"] for row in self.payments]

    @property
    def entered_micros(self) -> int:
        """What the ledger's entries come to."""
        (row,) = self.database.rows("SELECT SUM(amount_micros) AS sum FROM entries")
        return int(row["sum"] or 0)

    @property
    def moved_micros(self) -> int:
        """What moved on the chain; USDC's unit is a micro-dollar."""
        return sum(moved["value"] for moved in self.chain.transfers)

    @property
    def events(self) -> list[UsageEvent]:
        """Every event that is in KV."""
        found: list[UsageEvent] = []
        for key, (value, _) in self.store.values.items():
            if key.startswith(USAGE_PREFIX):
                found += decode_batch(value, parse_usage_batch(key).minute).events
        return found

    @property
    def revenue_micros(self) -> int:
        """What the log says was earned."""
        return sum(event.revenue_micros for event in self.events)


def use_chain(market: Market) -> None:
    """Let the deployment ask the chain itself."""
    market.settings[RPC_SETTING] = RPC_URL


def refusal(answer: Response | ProxyResponse, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, whose status and code are these."""
    assert isinstance(answer, Response), answer
    body: dict[str, Any] = json.loads(answer.body)
    assert (answer.status, body["error"]) == (status, code), body
    assert dict(answer.headers)["cache-control"] == "no-store"
    return body
