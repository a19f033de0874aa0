"""A running dispatcher with the local API, to which tests publish."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cloudflare
import httpx

from dev.launch import running_dispatcher
from dev.launch.announcement import Running, find_running
from dev.layout import HERE
from tests.support.prepared_start import prepared_start

from .loopback import Reply, answering

DEMO = HERE.root / "dev" / "demo"
TOKEN = "token-of-the-local-market"
PAYMENTS = {
    "X402_NETWORK": "eip155:84532",
    "X402_ASSET": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    "X402_ASSET_NAME": "USDC",
    "X402_ASSET_VERSION": "2",
}
KINDS = {"kinds": [{"x402Version": 2, "scheme": "exact", "network": "eip155:84532"}]}
"""The facilitator's supported kinds: enough to require payment; no test pays."""


@dataclass(frozen=True, slots=True)
class LocalMarket:
    """A running dispatcher and its local API.

    Args:
        state: The STATE folder, for `--state`.
        running: The addresses, tokens and account id that it announces.
        account: A client for the local API.
    """

    state: Path
    running: Running
    account: cloudflare.Cloudflare

    @property
    def url(self) -> str:
        """The dispatcher's URL, without a trailing slash."""
        return self.running.dispatcher_url

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables with which the SDK and wrangler use the local API."""
        return {
            "CLOUDFLARE_API_BASE_URL": self.running.api_url,
            "CLOUDFLARE_API_TOKEN": self.running.api_token,
            "CLOUDFLARE_ACCOUNT_ID": self.running.account_id,
        }

    def call(self, slug: str, path: str = "/") -> httpx.Response:
        """Call an API by its slug."""
        return httpx.get(f"{self.url}/t/{slug}{path}", timeout=60)


@contextmanager
def running_market(state: Path) -> Iterator[LocalMarket]:
    """Run a market during a `with` block, with the demo's free APIs."""
    with (
        answering(lambda _: Reply(KINDS)) as facilitator,
        running_dispatcher(
            state=state,
            namespace=DEMO / "namespace",
            tenants=(DEMO / "tenants.json").read_text(encoding="utf-8"),
            variables={
                "PLATFORM_ANALYTICS_TOKEN": TOKEN,
                "FACILITATOR_URL": facilitator.url,
                **PAYMENTS,
            },
            with_api=True,
            prepared=prepared_start(),
        ),
    ):
        running = find_running(state)
        with cloudflare.Cloudflare(
            api_token=running.api_token, base_url=running.api_url, max_retries=0
        ) as account:
            yield LocalMarket(state, running, account)
