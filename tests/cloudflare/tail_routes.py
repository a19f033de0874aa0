"""Tails of Workers: created through the API, read from a WebSocket with the protocol `trace-v1`.

https://developers.cloudflare.com/api/resources/workers/subresources/scripts/subresources/tail/ and
wrangler's `src/tail/createTail.ts`, which is the only description of the protocol: a client must
ask for the protocol, and begins with `{"debug": false}`.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from dev.cloudflare_api.responses import (
    SCRIPT_NOT_FOUND,
    InvalidError,
    NotFoundError,
    json_object,
    success,
)
from tests.cloudflare.workers import Workers

PROTOCOL: Final = "trace-v1"
TAILS_MAX: Final = 10
"""https://developers.cloudflare.com/workers/observability/logs/real-time-logs/"""

HOURS: Final = 6
FILTERS: Final = ("sampling_rate", "outcome", "method", "header", "client_ip", "query")
UNKNOWN_TAIL: Final = 10057
POLICY_VIOLATION: Final = 1008


@dataclass(slots=True)
class Tail:
    """A tail.

    Args:
        id: 32 hexadecimal digits.
        worker: The Worker's name.
        expires_at: When it ends.
        messages: What its client gets; `None` ends the connection.
    """

    id: str
    worker: str
    expires_at: str
    messages: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)


class TailRoutes:
    """The routes of tails, and what tests say through them.

    Args:
        workers: The Workers.
    """

    def __init__(self, workers: Workers) -> None:
        """Start without tails."""
        self._workers = workers
        self.url = ""
        """The base URL of the WebSockets."""
        self.tails: dict[str, Tail] = {}
        self.connected: list[str] = []
        """The Workers whose tails clients have connected to, in order."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        root = "/accounts/{account}/workers/scripts/{script}/tails"
        return [
            Route(root, self.index, methods=["GET"]),
            Route(root, self.create, methods=["POST"]),
            Route(f"{root}/{{tail}}", self.delete, methods=["DELETE"]),
            WebSocketRoute("/tail/{tail}", self.connect),
        ]

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message to the clients of all tails; tests call it from their own thread."""
        self._put(json.dumps(message))

    def end(self) -> None:
        """End the connections of all tails, as when their time is over."""
        self._put(None)

    def _put(self, text: str | None) -> None:
        assert self._loop is not None, "no tail was created"
        for tail in [*self.tails.values()]:
            self._loop.call_soon_threadsafe(tail.messages.put_nowait, text)

    async def index(self, request: Request) -> Response:
        """List the tails of a Worker."""
        name = self._name(request)
        return success([_shown(one, self.url) for one in self.tails.values() if one.worker == name])

    async def create(self, request: Request) -> Response:
        """Start a tail."""
        name = self._name(request)
        filters = (await json_object(request)).get("filters", [])
        if not isinstance(filters, list) or not all(
            isinstance(one, dict) and one.keys() <= {*FILTERS} for one in filters
        ):
            raise InvalidError(f"filters must be a list of objects with {', '.join(FILTERS)}.")
        if sum(one.worker == name for one in self.tails.values()) >= TAILS_MAX:
            raise InvalidError(f"{name} has the maximum number of tails.", status=429)
        self._loop = asyncio.get_running_loop()
        expires = datetime.now(UTC) + timedelta(hours=HOURS)
        tail = Tail(uuid4().hex, name, f"{expires:%Y-%m-%dT%H:%M:%SZ}")
        self.tails[tail.id] = tail
        return success(_shown(tail, self.url))

    async def delete(self, request: Request) -> Response:
        """End a tail."""
        name = self._name(request)
        tail = self.tails.get(request.path_params["tail"])
        if tail is None or tail.worker != name:
            raise NotFoundError("This tail does not exist.", code=UNKNOWN_TAIL)
        del self.tails[tail.id]
        tail.messages.put_nowait(None)
        return success(None)

    async def connect(self, socket: WebSocket) -> None:
        """Serve the WebSocket of a tail."""
        tail = self.tails.get(socket.path_params["tail"])
        if tail is None or PROTOCOL not in socket.scope["subprotocols"]:
            await socket.close(POLICY_VIOLATION)  # Before `accept`, this is a 403.
            return
        await socket.accept(PROTOCOL)
        try:
            first = json.loads(await socket.receive_text())
            if not isinstance(first.get("debug"), bool):
                await socket.close(POLICY_VIOLATION)
                return
            self.connected.append(tail.worker)
            while (text := await tail.messages.get()) is not None:
                await socket.send_text(text)
            await socket.close()
        except WebSocketDisconnect:
            return

    def _name(self, request: Request) -> str:
        name: str = request.path_params["script"]
        if self._workers.find(name) is None:
            raise NotFoundError(
                "This Worker does not exist on your account.", code=SCRIPT_NOT_FOUND
            )
        return name


def _shown(tail: Tail, url: str) -> Mapping[str, Any]:
    return {"id": tail.id, "url": f"{url}/tail/{tail.id}", "expires_at": tail.expires_at}
