"""Client of miniflare's local explorer, the HTTP API of `wrangler dev` for local KV and D1.

Its KV and D1 routes accept any id, bound to the Worker or not, so a namespace created through
this API needs no restart.
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
    """A client of one dispatcher's explorer.

    Args:
        dispatcher_url: The dispatcher's address, without a trailing slash.
    """

    def __init__(self, dispatcher_url: str) -> None:
        """Create the HTTP client; no request is sent."""
        # TLS is not used here, and loading the CA certificates takes 0.1 s.
        no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(
            base_url=dispatcher_url + PATH, timeout=60, verify=no_certificates
        )

    async def close(self) -> None:
        """Close the client, in the event loop that used it."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        document: object = None,
    ) -> dict[str, Any]:
        """Send a request and return the envelope of the response.

        Args:
            method: GET, PUT or POST.
            path: The path below the explorer's address.
            params: The query.
            document: The JSON body.

        Raises:
            ApiError: The explorer reported an error, or the dispatcher is unreachable.
        """
        response = await self.send(method, path, params=params, document=document)
        envelope: dict[str, Any] = response.json()
        if response.status_code >= HTTPStatus.BAD_REQUEST or not envelope.get("success"):
            raise _refused(response.status_code, envelope)
        return envelope

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        document: object = None,
    ) -> httpx.Response:
        """Send a request and return the response, which may be without an envelope."""
        try:
            return await self._client.request(method, path, params=params, json=document)
        except httpx.HTTPError as error:
            raise ApiError(
                f"The local dispatcher does not respond ({type(error).__name__}).",
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                code=_UNREACHABLE,
            ) from error


def _refused(status: int, envelope: Mapping[str, Any]) -> ApiError:
    errors = envelope.get("errors") or [{}]
    message = str(errors[0].get("message") or "refused")
    code = errors[0].get("code")
    return InvalidError(message, status=status, code=code if isinstance(code, int) else None)
