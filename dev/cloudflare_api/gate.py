"""Who is let in: programs of this machine that have the token, and nothing in a browser.

A web page can make its visitor's browser send requests to 127.0.0.1, and can give its own
host name that address. It cannot hide the name in `Host`, nor leave out `Origin` on a request
that changes anything, so both are looked at; and no answer ever allows another origin.
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
    refusal,
)

BODY_BYTES_MAX: Final = 100 * 1024 * 1024
"""The largest body: a bulk write of KV (https://developers.cloudflare.com/kv/platform/limits/)."""

NOT_YOUR_ACCOUNT: Final = 9109

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ACCOUNT = re.compile(r"/accounts/([^/]+)")
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
_WITH_A_TOKEN_OF_ITS_OWN = re.compile(r"/accounts/[^/]+/workers/assets/upload")


class Gate:
    """Lets requests through to an application, or refuses them.

    Args:
        app: The application.
        token: The API token that is taken.
        account_id: The account that there is.
        prefix: The path of the API.
    """

    def __init__(self, app: ASGIApp, *, token: str, account_id: str, prefix: str) -> None:
        """Keep the arguments."""
        self._app = app
        self._token = token
        self._account_id = account_id
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = str(scope["path"]).removeprefix(self._prefix)
        try:
            self._check_place(headers)
            if not _WITH_A_TOKEN_OF_ITS_OWN.fullmatch(path):
                self._check_token(headers)
            self._check_account(path)
            _check_length(headers)
        except ApiError as error:
            await refusal(error)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    def _check_place(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        try:
            names = [urlsplit(f"//{host}").hostname for host in hosts]
        except ValueError:
            names = []
        if len(names) != 1 or names[0] not in _LOOPBACK:
            raise ForbiddenError("This API answers at 127.0.0.1 and under no other name.")
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            raise ForbiddenError("This API is not for web pages.")

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
        raise ForbiddenError("Unauthorized to access requested resource", code=NOT_YOUR_ACCOUNT)


def _check_length(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise _too_large()


def _too_large() -> TooLargeError:
    return TooLargeError(f"A body may have {BODY_BYTES_MAX} bytes.")


def _bounded(receive: Receive) -> Receive:
    """Return `receive` with an end to what it reads, for bodies that do not say their length."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > BODY_BYTES_MAX:
            raise _too_large()
        return message

    return bounded
