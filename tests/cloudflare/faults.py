"""Failures that tests can inject into the fake account: all known failures of the API."""

import enum
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev.cloudflare_api.responses import ApiError, failure


class Manner(enum.Enum):
    """How a request fails."""

    REFUSED = "refused"
    """An error response; the request has no effect."""

    UNREADABLE = "unreadable"
    """A gateway's page without an envelope; the request has no effect."""

    SILENT = "silent"
    """No response; the request takes effect."""

    CUT = "cut"
    """The connection ends in the middle of the response; the request takes effect."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure.

    Args:
        status: The HTTP status, if there is a response.
        code: Cloudflare's error code.
        message: Cloudflare's error message.
        headers: More headers.
        manner: How the request fails.
    """

    status: int = 500
    code: int = 10002
    message: str = "Internal server error"
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.REFUSED


UNAUTHORIZED = Fault(401, 10000, "Authentication error")
INVALID_TOKEN = Fault(401, 1000, "Invalid API Token")
FORBIDDEN = Fault(403, 10000, "Authentication error")
NOT_FOUND = Fault(404, 10007, "This Worker does not exist on your account.")
CONFLICT = Fault(409, 100120, "A dispatch namespace with this name already exists.")
RATE_LIMITED = Fault(
    429,
    971,
    "Please wait and consider throttling your request speed",
    {"retry-after": "1"},
)
INTERNAL = Fault(500, 10002, "An unknown error has occurred.")
UNAVAILABLE = Fault(503, 10013, "An unknown error has occurred.")
BAD_GATEWAY = Fault(502, manner=Manner.UNREADABLE)
TIMED_OUT = Fault(manner=Manner.SILENT)
CUT = Fault(manner=Manner.CUT)

TOO_MANY_SCRIPTS = Fault(403, 10037, "You have exceeded the limit of 500 Workers on your account.")
TOO_LARGE = Fault(413, 10027, "Your Worker exceeded the size limit of 3 MiB.")
INVALID_SCRIPT = Fault(400, 10021, "Uncaught SyntaxError: the script failed validation.")
SLOW_STARTUP = Fault(400, 10021, "Script startup exceeded CPU time limit.")
TOO_MANY_CRONS = Fault(
    403, 10072, "This account has reached the limit of 5 cron triggers per account."
)
NO_DISPATCH_NAMESPACES = Fault(403, 10121, "You do not have access to dispatch namespaces.")
TOO_MANY_KV_WRITES = Fault(
    429, 10048, "your account has reached the free usage limit for this operation for today"
)
TOO_MANY_DATABASES = Fault(400, 7406, "System limit reached: databases per account (10)")


@dataclass(slots=True)
class Rule:
    """Selects the requests that fail.

    Args:
        method: The method, `*` for any.
        path: A shell pattern of the path below the API's base URL.
        fault: The failure.
        first: The number of the first request that fails, from 1.
        times: How many requests fail; `None` for all further ones.
        matched: The number of requests that matched so far.
    """

    method: str
    path: str
    fault: Fault
    first: int = 1
    times: int | None = 1
    matched: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request fails, and count it if it matches."""
        if self.method not in ("*", method) or not fnmatch.fnmatchcase(path, self.path):
            return False
        self.matched += 1
        after = self.matched - self.first
        return after >= 0 and (self.times is None or after < self.times)


class Faults:
    """Middleware that makes requests fail.

    Args:
        app: The application for all other requests.
        rules: The rules; the first that matches is used.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, rules: list[Rule], prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._rules = rules
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(self._prefix)
        method = str(scope["method"])
        rule = next((one for one in self._rules if one.matches(method, path)), None)
        if rule is None:
            await self._app(scope, receive, send)
            return
        fault = rule.fault
        match fault.manner:
            case Manner.REFUSED:
                error = ApiError(
                    fault.message, code=fault.code, status=fault.status, headers=fault.headers
                )
                await failure(error)(scope, receive, send)
            case Manner.UNREADABLE:
                page = "<html><body>Bad gateway</body></html>"
                response = Response(page, fault.status, media_type="text/html")
                await response(scope, receive, send)
            case Manner.SILENT:
                await self._app(scope, receive, _discard)
                await _until_disconnected(receive)
            case Manner.CUT:
                await self._app(scope, receive, _cut_short(send))


async def _discard(_message: Message) -> None:
    """Discard a response."""


async def _until_disconnected(receive: Receive) -> None:
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


def _cut_short(send: Send) -> Send:
    """Return a `send` that sends half of the body and then ends the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body: bytes = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionAbortedError
        await send(message)

    return cut
