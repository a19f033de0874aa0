"""A simulated isolate with the whole dispatcher, wired as in `src/entry.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from analytics import Analytics
from api.explore.route import Explore
from api.platform import PlatformApi
from cli.doctor.outgoing import HostSigner
from core.errors import DatabaseUnavailable
from core.ports import Signer
from gateway.dispatcher import Dispatcher
from gateway.scheduled import ScheduledWork
from tenants.directory import TenantDirectory
from tests.simulation.isolate import SETTINGS, Isolate, IsolateShards
from tests.simulation.payments.database import SimulatedDatabase
from tests.simulation.payments.network import SimulatedNetwork, SimulatedScripts
from tests.simulation.store import SimulatedStore

NETWORK = "eip155:84532"
TOKEN = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
FACILITATORS = ("http://one.example", "http://two.example")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant of the run; `price_micros` is 0 for a free one."""

    number: int
    price_micros: int

    @property
    def slug(self) -> str:
        return f"api-{self.number}"

    @property
    def tenant_id(self) -> str:
        return f"tenant-{self.number}"

    @property
    def payee(self) -> str:
        return f"0x{self.number + 0xA0:040x}"

    @property
    def record(self) -> Mapping[str, Any]:
        return {
            "slug": self.slug,
            "tenantId": self.tenant_id,
            "workerName": f"script-{self.number}",
            "owner": f"owner-{self.number}",
            "directory": f"Kind {self.number}",
            "priceUsd": f"{self.price_micros / 1e6:.6f}",
            "x402Enabled": bool(self.price_micros),
            "payTo": self.payee,
        }


TENANTS = (Tenant(0, 10_000), Tenant(1, 1), Tenant(2, 2_500_000), Tenant(3, 0))

DIRECTORY = json.dumps({"tenants": [tenant.record for tenant in TENANTS]})


@dataclass(frozen=True, slots=True)
class Deployment:
    """What all isolates share."""

    database: SimulatedDatabase
    network: SimulatedNetwork
    scripts: SimulatedScripts
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PaidEnvironment:
    """The bindings of an isolate."""

    usage_store: SimulatedStore
    usage_shards: IsolateShards
    namespace: SimulatedScripts
    control_database: SimulatedDatabase
    fetcher: SimulatedNetwork
    settings: Mapping[str, str]
    signer: Signer = field(default_factory=HostSigner)
    tenant_store: None = None
    assets: None = None
    quota_counters: None = None
    kv_counters: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)

    def rate_counter(self, name: str) -> None:
        """Return None: no rate is limited in a simulation."""

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)


def settings(urls: str, node_url: str | None) -> Mapping[str, str]:
    """Return the settings of a deployment; without a node, nothing is proven by the chain."""
    found = {
        **SETTINGS,
        "CALLER_HASH_SECRET": "secret",
        "FACILITATOR_URL": urls,
        "X402_NETWORK": NETWORK,
        "X402_ASSET": TOKEN,
        "X402_ASSET_NAME": "USDC",
        "X402_ASSET_VERSION": "2",
    }
    return found if node_url is None else {**found, "X402_RPC_URL": node_url}


@dataclass(slots=True, kw_only=True)
class PaidIsolate(Isolate):
    """One isolate at one location that serves whole requests."""

    deployment: Deployment
    environment: PaidEnvironment = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    scheduled_work: ScheduledWork = field(init=False)

    def __post_init__(self) -> None:
        shared = self.deployment
        self.environment = PaidEnvironment(
            self.store,
            self.shards,
            shared.scripts,
            shared.database,
            shared.network,
            shared.settings,
        )
        directory = TenantDirectory(self.clock, None, DIRECTORY)
        self.analytics = Analytics(self.clock, self.shards, self.store)
        self.api = PlatformApi(
            self.environment, self.clock, directory, self.recorder, self.analytics
        )
        explore = Explore(self.environment, self.clock, self.analytics)
        self.dispatcher = Dispatcher(
            self.environment, self.clock, directory, self.recorder, self.api, explore
        )
        self.scheduled_work = ScheduledWork(self.environment, self.clock)

    def next_request_id(self) -> str:
        """Return the id of the next request in the dispatcher."""
        return f"{self.recorder.writer}-{self.dispatcher._requests + 1:06x}"

    async def scheduled(self) -> None:
        """Run what cron runs."""
        # Cloudflare logs the error and runs cron again a minute later.
        with suppress(DatabaseUnavailable):
            await self.scheduled_work.run()
