"""The door to a running dispatcher's local KV and databases.

It is miniflare's local explorer, an HTTP API that exists under `wrangler dev` alone. Its KV and
D1 routes take any id, bound to the Worker or not, so namespaces that were created here need no
restart.
"""

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from dev.cloudflare_api.responses import ApiError, InvalidError

PATH: Final = "/cdn-cgi/local/explorer/api"

_UNREACHABLE = 10013


class Explorer:
    """A connection to one dispatcher's explorer.

    Args:
        dispatcher_url: Where the dispatcher listens, without a slash at the end.
    """

    def __init__(self, dispatcher_url: str) -> None:
        """Open it; no request is sent."""
        # Nothing here speaks TLS, and reading the certificates of the world takes 0.1 s.
        no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(
            base_url=dispatcher_url + PATH, timeout=60, verify=no_certificates
        )

    async def close(self) -> None:
        """Close it, in the event loop that used it."""
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        document: object = None,
    ) -> dict[str, Any]:
        """Return the envelope of an answer.

        Args:
            method: GET, PUT or POST.
            path: Below the explorer's address.
            params: The query.
            document: The body as JSON.

        Raises:
            ApiError: It was refused, or the dispatcher does not answer.
        """
        answer = await self.send(method, path, params=params, document=document)
        envelope: dict[str, Any] = answer.json()
        if answer.status_code >= HTTPStatus.BAD_REQUEST or not envelope.get("success"):
            raise _refused(answer.status_code, envelope)
        return envelope

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        document: object = None,
    ) -> httpx.Response:
        """Return an answer as it came; as `ask`, for those that may be no envelope."""
        try:
            return await self._client.request(method, path, params=params, json=document)
        except httpx.HTTPError as error:
            raise ApiError(
                f"The dispatcher of this machine does not answer ({type(error).__name__}).",
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                code=_UNREACHABLE,
            ) from error


def _refused(status: int, envelope: Mapping[str, Any]) -> ApiError:
    errors = envelope.get("errors") or [{}]
    message = str(errors[0].get("message") or "refused")
    code = errors[0].get("code")
    return InvalidError(message, status=status, code=code if isinstance(code, int) else None)
