"""How the stand-in fails when a test tells it to: every way that the API is known to fail."""

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
    """It is answered with an error, and not done."""

    UNREADABLE = "unreadable"
    """A gateway answers with a page of its own, no envelope, and it is not done."""

    SILENT = "silent"
    """It is done, and never answered."""

    CUT = "cut"
    """It is done, and the connection ends in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Args:
        status: The HTTP status; of no meaning where nothing is answered.
        code: Cloudflare's number.
        message: Cloudflare's text.
        headers: Further headers.
        manner: How it fails.
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
    """Which requests fail.

    Args:
        method: Their method, `*` for any.
        path: A pattern of their path below the API's address, as a shell has it.
        fault: How they fail.
        first: The first one that fails, from 1.
        times: How many fail; `None` for all from then on.
        met: How many there were.
    """

    method: str
    path: str
    fault: Fault
    first: int = 1
    times: int | None = 1
    met: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Return whether a request fails, and count it."""
        if self.method not in ("*", method) or not fnmatch.fnmatchcase(path, self.path):
            return False
        self.met += 1
        after = self.met - self.first
        return after >= 0 and (self.times is None or after < self.times)


class Faults:
    """Makes requests fail by rules.

    Args:
        app: What answers the others.
        rules: The rules; the first that meets a request counts.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, rules: list[Rule], prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._rules = rules
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(self._prefix)
        method = str(scope["method"])
        rule = next((one for one in self._rules if one.meets(method, path)), None)
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
                await self._app(scope, receive, _unheard)
                await _until_gone(receive)
            case Manner.CUT:
                await self._app(scope, receive, _cut_short(send))


async def _unheard(_message: Message) -> None:
    """Take an answer and hand it to nobody."""


async def _until_gone(receive: Receive) -> None:
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


def _cut_short(send: Send) -> Send:
    """Return a `send` that lets half of the body through, and ends the connection there."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body: bytes = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            raise ConnectionAbortedError
        await send(message)

    return cut
