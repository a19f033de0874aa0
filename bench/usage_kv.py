"""`USAGE_KV` of a running `wrangler dev`, from outside: through miniflare's local explorer."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from dev.history.local_kv import BINDING, EXPLORER
from dev.launch.options import HOST


class UsageKv:
    """A connection to it; `port` is that of wrangler's proxy."""

    def __init__(self, port: int) -> None:
        """Find the namespace."""
        self._client = httpx.Client(base_url=f"http://{HOST}:{port}{EXPLORER}", timeout=60)
        namespaces = self._asked("")["result"]
        [self._id] = [one["id"] for one in namespaces if one["title"] == BINDING]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._client.close()

    def put(self, key: str, value: str) -> None:
        """Write one value."""
        entries = [{"key": key, "value": value}]
        self._client.put(f"/{self._id}/bulk", json=entries).raise_for_status()

    def get(self, key: str) -> str:
        """Read one value."""
        return self._client.get(f"/{self._id}/values/{key}").raise_for_status().text

    def count(self, prefix: str) -> int:
        """Count the keys that start with `prefix`."""
        found, cursor = 0, ""
        while True:
            page = self._asked(f"/{self._id}/keys", prefix=prefix, cursor=cursor, limit="1000")
            found += len(page["result"])
            cursor = page["result_info"]["cursor"]
            if not cursor:
                return found

    def _asked(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 (JSON)
        given = {name: value for name, value in parameters.items() if value}
        return self._client.get(path, params=given).raise_for_status().json()
