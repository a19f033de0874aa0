"""A deployment in memory whose isolates can die, and a payer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from core.ports import Json, ProxyResponse, Request, Response
from dev.economy.chain import EXACT_PROXY, UPTO_PROXY
from gateway.dispatcher import Dispatcher
from metering.events import UsageEvent
from metering.settlements import SettlementEvent, settlement_from
from payments.chain.node import RPC_SETTING
from payments.reconciliation import run
from payments.resolution import resolver_of
from tenants.directory import TenantDirectory
from tests.support.dispatcher_scene import Platform
from tests.support.fake_chain import (
    FACILITATOR_ADDRESS,
    FACILITATOR_URL,
    NETWORK,
    PAYEE,
    PAYER,
    RPC_URL,
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
    CrashingDatabase,
    CrashingFetcher,
    CrashingNamespace,
    CrashingQuotaCounters,
    CrashingShards,
    CrashingStore,
    CrashPoint,
)
from usage import UsageRecorder

PRICE_MICROS = 10_000
SETTINGS = {
    "CALLER_HASH_SECRET": "secret",
    "FACILITATOR_URL": FACILITATOR_URL,
    "FACILITATOR_API_KEY": "facilitators-key",
    "X402_NETWORK": NETWORK,
    "X402_ASSET": USDC,
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
    "PAY_TO_ADDRESS": PAYEE,
}
TENANTS: list[dict[str, Any]] = [
    {"slug": "paid", "tenantId": "t1", "workerName": "p", "priceUsd": 0.01, "x402Enabled": True},
    {"slug": "expensive", "tenantId": "t2", "workerName": "d", "priceUsd": 2, "x402Enabled": True},
    {"slug": "free", "tenantId": "t3", "workerName": "f"},
]


UPTO_KIND = {
    "x402Version": 2,
    "scheme": "upto",
    "network": NETWORK,
    "extra": {"facilitatorAddress": FACILITATOR_ADDRESS},
}
"""What a facilitator that settles `upto` supports."""


def pay(
    response: Response,
    number: int = 1,
    *,
    now_ms: int,
    identifier: str | None = None,
    **changes: Any,
) -> dict[str, str]:
    """Return the headers of a version 2 client that pays a 402; `changes` replace signed fields."""
    required = read_header(response, "payment-required")
    accepted = required["accepts"][0]
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
        # Clients may reorder the fields that they echo.
        "accepted": dict(reversed([*accepted.items()])),
        "payload": {"signature": signature(authorization), "authorization": authorization},
    }
    if identifier is not None:
        info = {"required": False, "id": identifier}
        payload["extensions"] = {"payment-identifier": {"info": info}}
    return {"payment-signature": encode(payload)}


def pay_permit2(
    accepted: Mapping[str, Any], number: int = 1, *, now_ms: int, **changes: Any
) -> dict[str, str]:
    """Return the headers that pay as one entry of `accepts` demands, with Permit2."""
    is_upto = accepted["scheme"] == "upto"
    facilitator = {"facilitator": accepted["extra"]["facilitatorAddress"]} if is_upto else {}
    permit = {
        "from": PAYER,
        "permitted": {"token": accepted["asset"], "amount": accepted["amount"]},
        "spender": UPTO_PROXY if is_upto else EXACT_PROXY,
        "nonce": str(number),
        "deadline": str(now_ms // 1000 + accepted["maxTimeoutSeconds"]),
        "witness": {"to": accepted["payTo"], **facilitator, "validAfter": "0"},
        **changes,
    }
    payload = {"signature": signature(permit), "permit2Authorization": permit}
    document = {"x402Version": 2, "accepted": accepted, "payload": payload}
    return {"payment-signature": encode(document)}


def pay_v1(response: Response, nonce: int = 1, *, now_ms: int) -> dict[str, str]:
    """Return the headers of a version 1 client that pays the 402 in the body."""
    accepted = json.loads(response.body)["accepts"][0]
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


def read_header(response: Response | ProxyResponse, name: str) -> Any:
    """Decode one of the protocol's headers."""
    headers = response.headers if isinstance(response, Response) else response.set_headers
    return json.loads(base64.b64decode(dict(headers)[name], validate=True))


def asking(header: str | None) -> FakeUpstreamResponse:
    """Return a script's response that asks for an amount in its header."""
    if header is None:
        return FakeUpstreamResponse()
    name = "settlement-overrides"
    return FakeUpstreamResponse(header_names=("content-type", name), values={name: header})


@dataclass
class Market:
    """One deployment with its stores, facilitator and chain, which survive its isolates."""

    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    clock: FakeClock = field(default_factory=FakeClock)
    chain: Chain = field(default_factory=Chain)
    reply: FakeUpstreamResponse | Exception = field(default_factory=FakeUpstreamResponse)
    tenants: list[dict[str, Any]] = field(default_factory=lambda: list(TENANTS))

    def __post_init__(self) -> None:
        self.facilitator = Facilitator(self.chain, self.clock)
        self.store = CrashingStore()
        self.shards = CrashingShards(self.store, self.clock)
        self.database = CrashingDatabase(self.clock)
        self.fetcher = CrashingFetcher(self.facilitator.respond)
        self.namespace = CrashingNamespace(clock=self.clock)
        self.counters = CrashingQuotaCounters()
        self.served: list[str] = []
        self.isolates = 0
        self.start()

    def start(self) -> None:
        """Start a new isolate; the memory of the previous one is lost."""
        self.isolates += 1
        self.namespace.response = self.reply
        self.environment = FakeEnvironment(
            usage_store=self.store,
            usage_shards=self.shards,
            namespace=self.namespace,
            control_database=self.database,
            fetcher=self.fetcher,
            settings=self.settings,
            quota_counters=self.counters,
        )
        self.log = UsageRecorder(f"w{self.isolates}", self.clock, self.shards, self.store)
        directory = TenantDirectory(self.clock, None, json.dumps({"tenants": self.tenants}))
        reader = Analytics(self.clock, self.shards, self.store)
        explore = Explore(self.environment, self.clock, reader)
        self.dispatcher = Dispatcher(
            self.environment, self.clock, directory, self.log, Platform(), explore
        )
        self.background = FakeBackground()

    def crash_after(self, steps: int | None) -> CrashPoint:
        """Let the isolate die after so many steps; None for never."""
        crash_point = CrashPoint(steps)
        self.store.crash_point = self.database.crash_point = self.fetcher.crash_point = crash_point
        self.namespace.crash_point = self.shards.crash_point = crash_point
        self.counters.crash_point = crash_point
        return crash_point

    async def send(
        self, path: str = "/t/paid/x", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response | ProxyResponse:
        """Send a request and run the background work to its end."""
        request: Request = FakeRequest("http://h.example" + path, method, dict(headers or {}))
        self.namespace.response = self.reply
        response = await self.dispatcher.handle(request, self.background)
        if isinstance(response, ProxyResponse) and response.upstream.status < 400:
            self.served.append(dict(response.set_headers)["x-request-id"])
        await self.background.finish()
        return response

    def call(
        self, path: str = "/t/paid/x", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response | ProxyResponse:
        return asyncio.run(self.send(path, headers, method))

    def challenge(self, path: str = "/t/paid/x") -> Response:
        response = self.call(path)
        assert isinstance(response, Response)
        assert response.status == 402
        return response

    def payment(self, number: int = 1, path: str = "/t/paid/x", **changes: Any) -> dict[str, str]:
        """Return the headers that pay for a request."""
        return pay(self.challenge(path), number, now_ms=self.clock.at_ms, **changes)

    def run_cron(self, runs: int = 1) -> None:
        """Run cron, once a minute."""
        for _ in range(runs):
            self.clock.at_ms += 60_000
            asyncio.run(run(resolver_of(self.environment, self.clock)))

    @property
    def payments(self) -> list[dict[str, Any]]:
        return self.database.rows("SELECT * FROM payments ORDER BY claimed_at_ms, payment_id")

    @property
    def states(self) -> list[str]:
        return [row["state"] for row in self.payments]

    @property
    def entered_micros(self) -> int:
        """The sum of the ledger's entries."""
        (row,) = self.database.rows("SELECT SUM(amount_micros) AS sum FROM entries")
        return int(row["sum"] or 0)

    @property
    def moved_micros(self) -> int:
        """The sum of the transfers on the chain; USDC's unit is a micro-dollar."""
        return sum(moved["value"] for moved in self.chain.transfers)

    @property
    def events(self) -> list[UsageEvent]:
        """Every usage event in the log."""
        return self.shards.events

    @property
    def settlements(self) -> list[SettlementEvent]:
        """Every settlement event in the log, the newest claim first."""
        request = json.dumps({"before": [1 << 52, ""], "since": 0, "limit": 1_000})
        return [
            settlement_from(fields)
            for shard in range(self.shards.count)
            for fields in json.loads(asyncio.run(self.shards.call(shard, "settlements", request)))
        ]

    @property
    def revenue_micros(self) -> int:
        """The revenue in the usage log."""
        return sum(event.revenue_micros for event in self.events)


def upto_market(**fields: Any) -> Market:
    """Return a market that sells one API for at most a cent, with Permit2."""
    market = Market()
    market.tenants = [{**TENANTS[0], "accepts": [{"scheme": "upto"}], **fields}]
    market.facilitator.kinds = [UPTO_KIND]
    market.start()
    return market


def upto_payment(market: Market, number: int = 1, **changes: Any) -> dict[str, str]:
    """Return the headers that pay the first way of its API with Permit2."""
    (accepted, *_) = read_header(market.challenge(), "payment-required")["accepts"]
    return pay_permit2(accepted, number, now_ms=market.clock.at_ms, **changes)


def enable_chain(market: Market) -> None:
    """Configure a node, so that the deployment can query the chain."""
    market.settings[RPC_SETTING] = RPC_URL


def error_body(response: Response | ProxyResponse, status: int, code: str) -> dict[str, Any]:
    """Check the status and code of an error response, and return its body."""
    assert isinstance(response, Response), response
    body: dict[str, Any] = json.loads(response.body)
    assert (response.status, body["error"]) == (status, code), body
    assert dict(response.headers)["cache-control"] == "no-store"
    return body
