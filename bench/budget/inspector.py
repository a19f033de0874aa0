"""A client of V8's inspector in a running workerd, through wrangler's inspector port.

The protocol: https://chromedevtools.github.io/devtools-protocol/v8/.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from dev.launch.options import HOST

READY_SECONDS = 30.0
RESULT_SECONDS = 60.0
_POLL_SECONDS = 0.05


class InspectorError(Exception):
    """The inspector returned an error, or the evaluated code failed."""


class Inspector:
    """A connection to the inspector of the Worker; commands run sequentially."""

    def __init__(self, connection: ClientConnection) -> None:
        """Keep an open connection; `attached` opens one."""
        self._connection = connection
        self._commands = 0
        self._context: int | None = None

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            InspectorError: The inspector returned an error.
        """
        self._commands += 1
        command = {"id": self._commands, "method": method, "params": parameters}
        self._connection.send(json.dumps(command))
        while True:
            message = json.loads(self._connection.recv(RESULT_SECONDS))
            if message.get("method") == "Runtime.executionContextCreated":
                self._context = message["params"]["context"]["id"]
            if message.get("id") != self._commands:
                continue
            if "error" in message:
                raise InspectorError(f"{method}: {message['error']['message']}")
            # workerd responds to some commands without a result.
            result: dict[str, Any] = message.get("result", {})
            return result

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 (any JSON)
        """Evaluate a JavaScript expression and return its value.

        Raises:
            InspectorError: It threw an exception.
        """
        if self._context is None:
            self.send("Runtime.enable")
        result = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            contextId=self._context,
        )
        if "exceptionDetails" in result:
            raise InspectorError(json.dumps(result["exceptionDetails"])[:2_000])
        return result["result"].get("value")


@contextmanager
def attached(port: int) -> Iterator[Inspector]:
    """Attach to the Worker through wrangler's inspector port.

    Raises:
        InspectorError: Nothing listens there.
    """
    url = _debugger_url(port)
    # wrangler rejects debuggers without an origin.
    origin = Origin(f"http://{HOST}")
    with connect(url, origin=origin, max_size=None, compression=None, proxy=None) as connection:
        yield Inspector(connection)


def _debugger_url(port: int) -> str:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with suppress(httpx.HTTPError, ValueError):
            for target in httpx.get(f"http://{HOST}:{port}/json", trust_env=False).json():
                return str(target["webSocketDebuggerUrl"])
        time.sleep(_POLL_SECONDS)
    raise InspectorError(f"No debugger can be attached at port {port}.")
