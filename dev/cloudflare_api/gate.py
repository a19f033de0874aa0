"""Access check: accepts local programs that have the token, and rejects browsers.

A web page can make a browser send requests to 127.0.0.1, and can resolve its own host name to
that address (DNS rebinding). It can neither change `Host` nor omit `Origin` on a request that
changes something, so both headers are checked. No response allows another origin.
"""

import hmac
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev.cloudflare_api.responses import (
    AUTHENTICATION,
    UNKNOWN_ROUTE,
    ApiError,
    ForbiddenError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    failure,
)

BODY_BYTES_MAX: Final = 100 * 1024 * 1024
"""The largest body: a bulk write of KV (https://developers.cloudflare.com/kv/platform/limits/)."""

WRONG_ACCOUNT: Final = 9109

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ACCOUNT = re.compile(r"/accounts/([^/]+)")
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
_HAS_OWN_TOKEN = re.compile(r"/accounts/[^/]+/workers/assets/upload")


class Gate:
    """Middleware that rejects unauthorized or oversized requests.

    Args:
        app: The application.
        token: The accepted API token.
        account_id: The only account.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, token: str, account_id: str, prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._token = token
        self._account_id = account_id
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = str(scope["path"]).removeprefix(self._prefix)
        try:
            self._check_origin(headers)
            if not _HAS_OWN_TOKEN.fullmatch(path):
                self._check_token(headers)
            self._check_account(path)
            _check_length(headers)
        except ApiError as error:
            await failure(error)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    def _check_origin(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        try:
            names = [urlsplit(f"//{host}").hostname for host in hosts]
        except ValueError:
            names = []
        if len(names) != 1 or names[0] not in _LOOPBACK:
            raise ForbiddenError("This API accepts only requests to 127.0.0.1 or localhost.")
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            raise ForbiddenError("This API does not accept requests from web pages.")

    def _check_token(self, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.encode(), self._token.encode()
        ):
            raise UnauthorizedError("Authentication error", code=AUTHENTICATION)

    def _check_account(self, path: str) -> None:
        match = _ACCOUNT.match(path)
        if match is None or match[1] == self._account_id:
            return
        if not _ACCOUNT_ID.fullmatch(match[1]):
            raise NotFoundError(
                f"Could not route to {path}, perhaps your object identifier is invalid?",
                code=UNKNOWN_ROUTE,
            )
        raise ForbiddenError("Unauthorized to access requested resource", code=WRONG_ACCOUNT)


def _check_length(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise _too_large()


def _too_large() -> TooLargeError:
    return TooLargeError(f"A body may have at most {BODY_BYTES_MAX} bytes.")


def _bounded(receive: Receive) -> Receive:
    """Limit the body size, also of bodies without Content-Length."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > BODY_BYTES_MAX:
            raise _too_large()
        return message

    return bounded
