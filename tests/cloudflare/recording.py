"""Records each request to the fake account, and its response status."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev.cloudflare_api.responses import InvalidError, failure
from dev.cloudflare_api.scripts.upload import PARTS_MAX

NOT_AS_DOCUMENTED = 10001
JSON_TYPES = ("application/json", "application/merge-patch+json")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body.

    Args:
        name: The name.
        file_name: The file name; `None` for a field.
        content_type: The media type; `None` for a field without one.
        content: The content.
    """

    name: str
    file_name: str | None
    content_type: str | None
    content: bytes


@dataclass(slots=True)
class Sent:
    """A received request.

    Args:
        method: The method.
        path: The path below the API's base URL.
        query: The query's parameters.
        headers: The headers, by lower-case name.
        body: The body.
        document: The body as JSON; `None` if it is not JSON.
        parts: The parts of a multipart body.
        status: The status of the response; 0 if there was none.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    document: Any = None
    parts: tuple[Part, ...] = ()
    status: int = 0

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of an upload; empty if it has none."""
        found = [one.content for one in self.parts if one.name in ("metadata", "settings")]
        metadata: dict[str, Any] = json.loads(found[0]) if found else {}
        return metadata

    def __str__(self) -> str:
        """Return the request and its status as one line."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}{'?' if query else ''}{query} {self.status}"


Check = Callable[[Sent], list[str]]


@dataclass(slots=True)
class Record:
    """All requests and their mistakes.

    Args:
        requests: All requests, in order.
        wrong: A line for each difference from the documented API.
    """

    requests: list[Sent] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Recorder:
    """Middleware that records requests, and rejects those that are not as documented.

    Args:
        app: The application.
        record: The record to add requests to.
        check: Returns a line for each mistake of a request.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, record: Record, check: Check, prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._record = record
        self._check = check
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        sent = await read_request(request, self._prefix)
        self._record.requests.append(sent)
        wrong = self._check(sent)

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.status = message["status"]
            await send(message)

        if wrong:
            self._record.wrong += [f"{sent.method} {sent.path}: {line}" for line in wrong]
            error = InvalidError("; ".join(wrong), code=NOT_AS_DOCUMENTED)
            await failure(error)(scope, receive, send_recorded)
        else:
            await self._app(scope, _replayed(sent.body, receive), send_recorded)


async def read_request(request: Request, prefix: str) -> Sent:
    """Return a request with its body read and parsed."""
    body = await request.body()
    sent = Sent(
        method=request.method,
        path=request.url.path.removeprefix(prefix),
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
    )
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        # The form is parsed from the body that the request has already read.
        async with request.form(max_files=PARTS_MAX, max_fields=PARTS_MAX) as form:
            sent.parts = tuple([await _part(name, value) for name, value in form.multi_items()])
    elif kind.split(";")[0] in JSON_TYPES:
        try:
            sent.document = json.loads(body)
        except ValueError:
            sent.document = None
    return sent


async def _part(name: str, value: UploadFile | str) -> Part:
    if isinstance(value, str):
        return Part(name, None, None, value.encode())
    return Part(name, value.filename, value.content_type, await value.read())


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that repeats the body, and then returns further messages."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
