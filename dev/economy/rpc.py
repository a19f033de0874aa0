"""A client of the JSON-RPC of the local chains."""

from typing import Any, Self

import httpx

from dev.errors import DevelopmentError


class ChainError(DevelopmentError):
    """The local chain rejected a call; the message says why."""


class Rpc:
    """A client of one node.

    Args:
        url: The node's address.
    """

    def __init__(self, url: str) -> None:
        """Create the HTTP client."""
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
            parameters: Its parameters.

        Raises:
            ChainError: The node returned an error.
        """
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        response = self._client.post("/", json=request).json()
        if "error" in response:
            raise ChainError(f"{method}: {response['error'].get('message')}")
        return response["result"]

    def number(self, method: str, *parameters: object) -> int:
        """Call a method whose result is a hexadecimal number, and return the number.

        Raises:
            ChainError: The node returned an error.
        """
        return int(self.call(method, *parameters), 16)
