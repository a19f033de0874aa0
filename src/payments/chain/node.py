"""A client of the JSON-RPC nodes of the payments' networks.

What a node returns is checked for its form, and the node for its chain: a node of another chain
may have a token at the same address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from core import constants
from core.errors import ConfigurationError, FetchFailed
from core.ports import Clock, Environment, Json
from core.safe_json import read_json
from tenants.networks import NETWORK_FORM, read_network

RPC_SETTING = "X402_RPC_URL"
_NAME_LENGTH_MAX = 40
_URL_FORM = (
    "It must be the http(s) URL of a JSON-RPC node, or a JSON object with such URLs by network."
)


def node_url(
    environment: Environment, network: str, *, may_have_changed: bool = False
) -> str | None:
    """Return the URL of the node of a network, in CAIP-2 form; None if there is none.

    The setting is the URL of a node of `X402_NETWORK`, or a JSON object with URLs by network. If
    `may_have_changed`, the URL may be of any network, because `X402_NETWORK` was another one.
    Raises `ConfigurationError` if it is neither. The message has no URL, because it may contain a
    key.
    """
    text = (environment.setting(RPC_SETTING) or "").strip()
    if text.startswith("{"):
        urls = _read_urls(text)
    else:
        own = None if may_have_changed else environment.setting("X402_NETWORK")
        urls = {read_network(own or network): text} if text else {}
    if not all(url.startswith(("http://", "https://")) for url in urls.values()):
        raise ConfigurationError(RPC_SETTING, _URL_FORM)
    return urls.get(network)


def check_node_networks(text: str) -> None:
    """Check the names of networks in the setting, if it is a JSON object.

    Nodes of other networks in it are used nevertheless. Raises `ConfigurationError` with the
    names that are of no network.
    """
    if not text.strip().startswith("{"):
        return
    try:
        names = read_json(text.strip())
    except ValueError as error:
        raise ConfigurationError(RPC_SETTING, _URL_FORM) from error
    unknown = [name[:_NAME_LENGTH_MAX] for name in names if read_network(name) is None]
    if unknown:
        shown = ", ".join(map(repr, unknown))
        raise ConfigurationError(
            RPC_SETTING, f"It has nodes of unknown networks: {shown}. Name {NETWORK_FORM}."
        )


@dataclass(slots=True)
class Node:
    """A client of the node at `url`; one object for a few calls that belong together.

    All calls together take at most `RPC_TOTAL_MS`. Every method raises `FetchFailed` if the node
    does not respond in time, or with anything but a result of the expected form.
    """

    environment: Environment
    clock: Clock
    url: str
    _deadline_ms: int = field(init=False)

    def __post_init__(self) -> None:
        """Start the time for all calls."""
        self._deadline_ms = self.clock.now_ms() + constants.RPC_TOTAL_MS

    async def call(self, method: str, parameters: Sequence[Json]) -> Json:
        """Call a method of the node and return its result, whose form the caller must check."""
        left_ms = self._deadline_ms - self.clock.now_ms()
        if left_ms <= 0:
            raise FetchFailed(f"{method}: the calls before it took too long")
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        fetched = await self.environment.fetcher.fetch(
            self.url,
            method="POST",
            headers={"content-type": "application/json"},
            body=json.dumps(body, separators=(",", ":")),
            timeout_ms=min(constants.RPC_TIMEOUT_MS, left_ms),
            body_bytes_max=constants.RPC_BODY_BYTES_MAX,
        )
        try:
            document = read_json(fetched.body)
        except ValueError as error:
            raise FetchFailed(f"{method}: status {fetched.status}, and no JSON") from error
        if (
            fetched.status != HTTPStatus.OK
            or not isinstance(document, dict)
            or "result" not in document
        ):
            raise FetchFailed(f"{method}: status {fetched.status}, and no result")
        return document["result"]


def _read_urls(text: str) -> Mapping[str | None, str]:
    try:
        found = read_json(text)
    except ValueError as error:
        raise ConfigurationError(RPC_SETTING, _URL_FORM) from error
    return {read_network(name): str(url).strip() for name, url in found.items()}
