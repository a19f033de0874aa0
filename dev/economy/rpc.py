"""Ethereum's JSON-RPC, as far as the economy speaks it."""

from typing import Any, Self

import httpx

from dev.errors import DevelopmentError


class ChainError(DevelopmentError):
    """The local chain refused a call; its message says why."""


class Rpc:
    """Calls to one node.

    Args:
        url: The node's address.
    """

    def __init__(self, url: str) -> None:
        """Keep one connection pool for all calls."""
        self._client = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 (the method's own)
        """Call a method and return its result.

        Args:
            method: Its name, such as `eth_blockNumber`.
            parameters: Whatever it takes.

        Raises:
            ChainError: The node answered with an error.
        """
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = self._client.post("/", json=request).json()
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def number(self, method: str, *parameters: object) -> int:
        """Call a method whose result is a number in hexadecimal, and return that number.

        Raises:
            ChainError: The node answered with an error.
        """
        return int(self.call(method, *parameters), 16)
