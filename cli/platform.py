"""Calls the dispatcher's platform API, and turns its errors into `CommandError`s.

Redirects are not followed, so that the token is only sent to the dispatcher. Responses are bounded
in size and time.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx

from cli.errors import AccessError, CommandError, InputError, MissingError, NetworkError, QuotaError
from cli.secret import document_without_secrets
from cli.targets import Dispatcher
from core.safe_json import read_json

TIMEOUT: Final = httpx.Timeout(60, connect=10)
RESPONSE_SECONDS_MAX: Final = 120.0
RESPONSE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Ten times the size of three windows with a thousand APIs."""

ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.3
"""The mean pause before the second attempt; doubled before the third."""

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_IDEMPOTENT = ("GET", "HEAD")
_REASON_CHARACTERS_MAX = 500
_URL_ADVICE = "Set --url (or CLAWR_URL), such as https://clawr-dispatcher.example.workers.dev"


@dataclass(frozen=True, slots=True)
class Response:
    """A response with any status.

    Args:
        status: The status code.
        headers: The headers, case-insensitive.
        body: The body, with its content encoding removed.
    """

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def document(self) -> dict[str, Any] | None:
        """The body as a JSON object, with secrets replaced; `None` if it is not one."""
        try:
            document = read_json(self.body.decode())
        except ValueError:
            return None
        return document_without_secrets(document) if isinstance(document, dict) else None


class Platform:
    """A client for one dispatcher.

    Args:
        dispatcher: Its URL and token.
        timeout: Timeouts for connecting and for each read.

    Raises:
        InputError: The URL or the token is invalid.
    """

    def __init__(self, dispatcher: Dispatcher, timeout: httpx.Timeout = TIMEOUT) -> None:
        """Create the client; no request is sent."""
        self.url = dispatcher.url
        host = _checked_host(dispatcher.url)
        headers = {"accept": "application/json"}
        if dispatcher.token:
            headers["authorization"] = _authorization(dispatcher.token.reveal())
        # Proxies from the environment are not used for this machine.
        self._client = httpx.Client(
            base_url=dispatcher.url,
            headers=headers,
            timeout=timeout,
            trust_env=host not in LOCAL_HOSTS,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self._client.close()

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Return the JSON of a platform route.

        Args:
            path: Such as `/__platform/analytics`.
            parameters: The query.

        Raises:
            CommandError: The dispatcher rejected the request, failed, or could not be reached.
        """
        return self.request("GET", path, parameters)

    def get_unless(
        self, tag: str, path: str, **parameters: str | int
    ) -> tuple[dict[str, Any] | None, str]:
        """Return the JSON of a platform route, unless its entity tag is still `tag`.

        Args:
            tag: The entity tag of an earlier response, or an empty text.
            path: As for `get`.
            parameters: The query.

        Returns:
            The document, or `None` if it has not changed; and its entity tag.

        Raises:
            CommandError: As for `get`.
        """
        response = self.send("GET", path, parameters, {"if-none-match": tag} if tag else {})
        if response.status == httpx.codes.NOT_MODIFIED:
            return None, tag
        return self._read(response, path), response.headers.get("etag", "")

    def request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int],
        *,
        may_repeat: bool = False,
        body: bytes | None = None,
    ) -> dict[str, Any]:
        """Return the JSON of a platform route, for any method.

        Args:
            method: The method.
            path: As for `get`.
            parameters: The query.
            may_repeat: Whether the request is idempotent although its method is not.
            body: The request's body, if it has one.

        Raises:
            CommandError: As for `get`.
        """
        attempts = ATTEMPTS if may_repeat or method in _IDEMPOTENT else 1
        response = self.send(method, path, parameters, attempts=attempts, body=body)
        return self._read(response, path)

    def send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        attempts: int = ATTEMPTS,
        body: bytes | None = None,
    ) -> Response:
        """Send a request and return the response, whatever its status.

        Args:
            method: The method.
            path: As for `get`.
            parameters: The query.
            headers: More headers.
            attempts: The maximum number of attempts; a 5xx response or a failed connection is
                retried, a timeout is not.
            body: The request's body, if it has one.

        Raises:
            NetworkError: The dispatcher could not be reached, timed out, or sent too much.
        """
        tried = 0
        request = self._client.build_request(
            method, path, params=parameters, headers=headers, content=body
        )
        while True:
            tried += 1
            try:
                response = self._send_once(request)
            except httpx.TimeoutException as error:
                raise self._timeout() from error
            except httpx.TransportError as error:
                if tried == attempts:
                    raise NetworkError(
                        f"The dispatcher at {self.url} could not be reached ({error}).",
                        "Check the URL (--url, CLAWR_URL), and that the dispatcher is running.",
                    ) from error
            else:
                if response.status < 500 or tried == attempts:
                    return response
            time.sleep(PAUSE_SECONDS * 2 ** (tried - 1) * random.uniform(0.7, 1.3))  # noqa: S311

    def _send_once(self, request: httpx.Request) -> Response:
        deadline = time.monotonic() + RESPONSE_SECONDS_MAX
        response = self._client.send(request, stream=True)
        try:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > RESPONSE_BYTES_MAX:
                    raise NetworkError(
                        f"The response of {self.url} is larger than {RESPONSE_BYTES_MAX // 2**20} "
                        "MiB.",
                        "Check that the URL is a dispatcher's.",
                    )
                if time.monotonic() > deadline:
                    raise self._timeout()
            return Response(response.status_code, response.headers, bytes(body))
        finally:
            response.close()

    def _timeout(self) -> NetworkError:
        return NetworkError(f"{self.url} timed out.", "Run the same command again.")

    def _read(self, response: Response, path: str) -> dict[str, Any]:
        status, document = response.status, response.document
        if 300 <= status < 400:
            raise CommandError(
                f"{self.url} redirects {path}. Redirects are not followed, because the token must "
                "only be sent to the dispatcher.",
                "Set --url or CLAWR_URL to the dispatcher's own URL.",
            )
        if document is None and status >= 500:
            raise NetworkError(
                f"{self.url} failed with status {status} at {path}.",
                "Run the same command again later.",
            )
        if document is None:
            raise CommandError(
                f"{self.url} responded to {path} with status {status} and no JSON object.",
                "Check that the URL is a dispatcher's.",
            )
        if status < 400:
            return document
        raise _status_error(response, document, path)


def _status_error(response: Response, document: Mapping[str, Any], path: str) -> CommandError:
    text = f"{document.get('error')}: {document.get('message') or document.get('detail') or ''}"
    reason = f"{text[:_REASON_CHARACTERS_MAX].strip()} (request {document.get('requestId')})"
    match response.status:
        case 401:
            return AccessError(
                f"The dispatcher rejected the token for {path}: {reason}",
                "Set PLATFORM_ANALYTICS_TOKEN to a token of this dispatcher.",
            )
        case 400 | 405:
            return InputError(f"The dispatcher rejected the request {path}: {reason}")
        case 404:
            return MissingError(f"The dispatcher has no route {path}: {reason}")
        case 429:
            wait = response.headers.get("retry-after", "")
            advice = f"Try again in {wait} seconds." if wait.isdecimal() else "Try again later."
            return QuotaError(f"The dispatcher's rate limit is reached: {reason}", advice)
        case status if status >= 500:
            return NetworkError(f"The dispatcher failed with status {status} at {path}: {reason}")
        case status:
            return CommandError(f"The dispatcher rejected {path} with status {status}: {reason}")


def _checked_host(url: str) -> str:
    """Return the host of a URL; raises `InputError`, whose message does not contain a password."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError("The dispatcher's URL is not valid.", _URL_ADVICE) from error
    if address.userinfo:
        raise InputError("The dispatcher's URL contains a user or password.", _URL_ADVICE)
    if address.scheme not in ("http", "https") or not address.host:
        raise InputError(f"{url!r} is not the URL of a dispatcher.", _URL_ADVICE)
    return address.host


def _authorization(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise InputError(
            "PLATFORM_ANALYTICS_TOKEN contains characters that are not allowed in a header.",
            "Check it for line breaks and characters that are not ASCII.",
        )
    return f"Bearer {token}"
