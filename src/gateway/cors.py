"""Lets pages of the origins in `PLATFORM_CORS_ORIGINS` call the platform API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.listed_settings import CORS_ORIGINS
from core.ports import Environment, Request, Response
from core.responses import ALLOW_ORIGIN_HEADER, is_preflight, preflight_response

_EXPOSED = (
    "access-control-expose-headers",
    "Allow, Content-Disposition, ETag, Retry-After, WWW-Authenticate, x-request-id",
)


@dataclass(slots=True)
class PlatformCors:
    """The origins of one deployment."""

    environment: Environment
    _origins: Sequence[str] | None = None

    def preflight(self, request: Request, request_id: str) -> Response | None:
        """Return the response to a preflight from an allowed origin; None for other requests.

        It needs no token, because browsers send none. The request itself does.
        """
        if not (is_preflight(request) and self._allows(request)):
            return None
        return preflight_response(request, request_id)

    def readable(self, request: Request, response: Response) -> Response:
        """Let the page that sent a request read its response, if its origin is allowed.

        With any origin allowed, a cache must keep the responses to different origins apart.
        """
        if not self._allowed:
            return response
        headers = dict(response.headers)
        headers["vary"] = ", ".join(filter(None, (headers.get("vary"), "Origin")))
        if self._allows(request):
            headers[ALLOW_ORIGIN_HEADER] = request.headers["origin"]
            headers |= dict((_EXPOSED,))
        return replace(response, headers=tuple(headers.items()))

    @property
    def _allowed(self) -> Sequence[str]:
        if self._origins is None:
            self._origins = CORS_ORIGINS.read(self.environment)
        return self._origins

    def _allows(self, request: Request) -> bool:
        return request.headers.get("origin") in self._allowed
