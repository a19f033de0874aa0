"""The local KV of a running `make dev`.

miniflare's local explorer is an HTTP API below `/cdn-cgi/local` that exists only under
`wrangler dev`: Cloudflare's edge handles that path itself, so no deployment can be reached this
way.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from dev.errors import DevelopmentError, UsageError

EXPLORER = "/cdn-cgi/local/explorer/api/storage/kv/namespaces"
BINDING = "USAGE_KV"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_PAGE = 1_000


class LocalKvError(DevelopmentError):
    """The URL is not that of a `make dev`."""


class LocalKv:
    """`USAGE_KV` of the dispatcher that `client` reaches.

    Args:
        client: A client with the dispatcher's base URL.

    Raises:
        UsageError: The address is not a loopback address.
        LocalKvError: The explorer cannot be reached.
    """

    def __init__(self, client: httpx.Client) -> None:
        """Find the namespace through the explorer."""
        if urlsplit(str(client.base_url)).hostname not in LOOPBACK:
            raise UsageError("History can be generated only for `make dev` on this machine.")
        self._client = client
        self._url = EXPLORER
        namespaces = self._request("GET", "")
        found = [one["id"] for one in namespaces["result"] if one["title"] == BINDING]
        if not found:
            raise LocalKvError(f"The dispatcher has no {BINDING}: start it with `make dev`.")
        self._url = f"{EXPLORER}/{found[0]}"

    def read(self, key: str) -> str | None:
        """Return a value; `None` if the key does not exist."""
        response = self._request("POST", "/bulk/get", body={"keys": [key]})
        value: str | None = response["result"]["values"].get(key)
        return value

    def names(self, prefix: str) -> Sequence[str]:
        """Return every key that starts with `prefix`."""
        found: list[str] = []
        cursor = ""
        while True:
            further = {"cursor": cursor} if cursor else {}
            query = {"prefix": prefix, "limit": str(_PAGE), **further}
            page = self._request("GET", "/keys", params=query)
            found += [one["name"] for one in page["result"]]
            cursor = page["result_info"]["cursor"]
            if not cursor:
                return found

    def write(self, key: str, value: str) -> None:
        """Write one value through the explorer."""
        self._request("PUT", "/bulk", body=[{"key": key, "value": value}])

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        url = str(self._client.base_url).rstrip("/")
        try:
            response = self._client.request(
                method, self._url + path, params=params, json=body, timeout=60
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise LocalKvError(
                f"Nothing listens at {url} ({reason}): start the dispatcher with `make dev`."
            ) from error
        try:
            document: dict[str, Any] = response.json()
            if document["success"] is not True:
                raise LocalKvError(
                    f"The local KV at {url} returned an error: {response.text[:200]}"
                )
        except (ValueError, KeyError, TypeError) as error:
            raise LocalKvError(
                f"{url} has no local KV (status {response.status_code}): history can be generated "
                "only for `make dev`."
            ) from error
        return document
