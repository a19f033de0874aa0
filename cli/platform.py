"""The dispatcher's platform API as commands ask it, and what its errors mean to people."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from cli.errors import AccessError, CommandError, InputError, MissingError, NetworkError, QuotaError
from cli.targets import Dispatcher

TIMEOUT: Final = httpx.Timeout(60, connect=10)
ATTEMPTS: Final = 3

_IDEMPOTENT = ("GET", "HEAD")


class Platform:
    """A connection to one dispatcher.

    Args:
        dispatcher: Where it is.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        """Open it; no request is sent."""
        self.url = dispatcher.url
        headers = {"accept": "application/json"}
        if dispatcher.token:
            headers["authorization"] = f"Bearer {dispatcher.token.reveal()}"
        transport = httpx.HTTPTransport(retries=ATTEMPTS)
        self._client = httpx.Client(
            base_url=dispatcher.url, headers=headers, timeout=TIMEOUT, transport=transport
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._client.close()

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Return the JSON of a platform route; a 5xx answer is asked for again.

        Args:
            path: Such as `/__platform/analytics`.
            parameters: The query.

        Raises:
            CommandError: It was refused, failed, or could not be reached.
        """
        return self.ask("GET", path, parameters)

    def ask(self, method: str, path: str, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        """Return the JSON of a platform route; as `get`, for other methods."""
        attempts = ATTEMPTS if method in _IDEMPOTENT else 1
        answer = self._send(method, path, parameters)
        while answer.status_code >= 500 and attempts > 1:
            attempts -= 1
            answer = self._send(method, path, parameters)
        return _read(answer, path)

    def _send(self, method: str, path: str, parameters: Mapping[str, str | int]) -> httpx.Response:
        try:
            return self._client.request(method, path, params=dict(parameters))
        except httpx.TimeoutException as error:
            raise NetworkError(
                f"{self.url} did not answer in time.", "Run the same command again."
            ) from error
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise NetworkError(
                f"The dispatcher at {self.url} could not be reached ({error}).",
                "Check the address (--url, CLAWR_URL), and that it is running.",
            ) from error


def _read(answer: httpx.Response, path: str) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CommandError(
            f"{answer.request.url.host} answered {path} with status {answer.status_code} and no "
            "JSON object.",
            "Check that the address is a dispatcher's.",
        )
    if answer.status_code < 400:
        return document
    said = f"{document.get('error')}: {document.get('message') or document.get('detail') or ''}"
    request = f"(request {document.get('requestId')})"
    match answer.status_code:
        case 401:
            raise AccessError(
                f"The dispatcher refused the token for {path}: {said} {request}",
                "Set PLATFORM_ANALYTICS_TOKEN to a token of this dispatcher.",
            )
        case 400 | 405:
            raise InputError(f"The dispatcher refused {path}: {said} {request}")
        case 404:
            raise MissingError(f"The dispatcher has no {path}: {said} {request}")
        case 429:
            raise QuotaError(
                f"The dispatcher asks to wait: {said} {request}", "Try again in a minute."
            )
        case status:
            raise CommandError(f"The dispatcher failed with {status} at {path}: {said} {request}")
