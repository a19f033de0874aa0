"""V8's inspector inside a running workerd, through wrangler's own port for debuggers.

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
ANSWER_SECONDS = 60.0
_POLL_SECONDS = 0.05


class InspectorError(Exception):
    """The inspector refused, or what it was asked to run failed."""


class Inspector:
    """One connection to the inspector of the Worker; commands one after the other."""

    def __init__(self, connection: ClientConnection) -> None:
        """Take an open connection; `attached` makes one."""
        self._connection = connection
        self._commands = 0
        self._context: int | None = None

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give one command, wait for its result, and return that.

        Raises:
            InspectorError: It was refused.
        """
        self._commands += 1
        command = {"id": self._commands, "method": method, "params": parameters}
        self._connection.send(json.dumps(command))
        while True:
            message = json.loads(self._connection.recv(ANSWER_SECONDS))
            if message.get("method") == "Runtime.executionContextCreated":
                self._context = message["params"]["context"]["id"]
            if message.get("id") != self._commands:
                continue
            if "error" in message:
                raise InspectorError(f"{method}: {message['error']['message']}")
            # workerd answers some commands without a result.
            result: dict[str, Any] = message.get("result", {})
            return result

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 (whatever JSON it is)
        """Return what a JavaScript expression comes to, by value.

        Raises:
            InspectorError: It threw.
        """
        if self._context is None:
            self.send("Runtime.enable")
        answer = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            contextId=self._context,
        )
        if "exceptionDetails" in answer:
            raise InspectorError(json.dumps(answer["exceptionDetails"])[:2_000])
        return answer["result"].get("value")


@contextmanager
def attached(port: int) -> Iterator[Inspector]:
    """Attach to the Worker of the wrangler whose port for debuggers this is.

    Raises:
        InspectorError: Nobody answers there.
    """
    url = _debugger_url(port)
    # wrangler refuses debuggers that name no origin.
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
