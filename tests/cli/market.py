"""The dispatcher that tests of the command publish to, with the local API beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cloudflare
import httpx

from dev.launch import running_dispatcher
from dev.launch.announcement import Running, find_running
from dev.layout import HERE

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
"""What the facilitator says it can do: enough to ask for payment; nobody pays here."""


@dataclass(frozen=True, slots=True)
class LocalMarket:
    """A running dispatcher and its local API, announced in its STATE.

    Args:
        state: Its STATE, for `--state`.
        running: What it announces: addresses, tokens, the account's id.
        account: A client of its API.
    """

    state: Path
    running: Running
    account: cloudflare.Cloudflare

    @property
    def url(self) -> str:
        """The dispatcher's address, without a slash at the end."""
        return self.running.dispatcher_url

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that lead the SDK and wrangler to the local API."""
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
    """Run it for the time of a `with` block, with the demo's free APIs."""
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
        ),
    ):
        running = find_running(state)
        with cloudflare.Cloudflare(
            api_token=running.api_token, base_url=running.api_url, max_retries=0
        ) as account:
            yield LocalMarket(state, running, account)
