"""What the stand-in was sent: each request as it came, and what it was answered."""

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
        name: Its name.
        file_name: Its file name; `None` for a field.
        content_type: What it says it is; `None` for a field without a type.
        content: Its bytes.
    """

    name: str
    file_name: str | None
    content_type: str | None
    content: bytes


@dataclass(slots=True)
class Sent:
    """One request.

    Args:
        method: Its method.
        path: Its path below the API's address.
        query: Its query.
        headers: Its headers, names in small letters.
        body: Its body.
        document: The body as JSON; `None` where it is none.
        parts: The parts of a multipart body.
        status: What it was answered with; 0 for not at all.
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
        """The part of an upload that describes it; empty where there is none."""
        found = [one.content for one in self.parts if one.name in ("metadata", "settings")]
        metadata: dict[str, Any] = json.loads(found[0]) if found else {}
        return metadata

    def __str__(self) -> str:
        """Return the line that names it."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}{'?' if query else ''}{query} {self.status}"


Check = Callable[[Sent], list[str]]


@dataclass(slots=True)
class Record:
    """Everything that was sent, and what was wrong with it.

    Args:
        requests: All requests, in order.
        wrong: A line for everything that is not as the API is documented.
    """

    requests: list[Sent] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Recorder:
    """Keeps each request, and refuses those that are not as documented.

    Args:
        app: What answers them.
        record: Where they are kept.
        check: Returns a line for everything that is wrong with one.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, record: Record, check: Check, prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._record = record
        self._check = check
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        sent = await read_request(request, self._prefix)
        self._record.requests.append(sent)
        wrong = self._check(sent)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.status = message["status"]
            await send(message)

        if wrong:
            self._record.wrong += [f"{sent.method} {sent.path}: {line}" for line in wrong]
            error = InvalidError("; ".join(wrong), code=NOT_AS_DOCUMENTED)
            await failure(error)(scope, receive, send_noted)
        else:
            await self._app(scope, _replayed(sent.body, receive), send_noted)


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
        # A request reads its form from the body that it has kept.
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
    """Return a `receive` that gives a body again, and after it what comes next."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
