"""The dispatcher's platform API as commands ask it, and what its errors mean to people.

The token goes to the dispatcher's own address and nowhere else: a redirect is not followed. An
answer is read up to a bound, in bounded time.
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
ANSWER_SECONDS_MAX: Final = 120.0
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""Ten times what a thousand APIs in three windows come to."""

ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.3
"""Before the second attempt, about; twice as long before the third."""

HOSTS_HERE: Final = ("localhost", "127.0.0.1", "::1")
"""What runs on this machine."""

_IDEMPOTENT = ("GET", "HEAD")
_SAID_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is.

    Args:
        status: Its status.
        headers: Its headers; names in any case.
        body: Its body, decoded as its headers say.
    """

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def document(self) -> dict[str, Any] | None:
        """Return the JSON object that the body is, without secrets; `None` if it is none."""
        try:
            document = read_json(self.body.decode())
        except ValueError:
            return None
        return document_without_secrets(document) if isinstance(document, dict) else None


class Platform:
    """A connection to one dispatcher.

    Args:
        dispatcher: Where it is.
        timeout: How long each step may take.

    Raises:
        InputError: Its address is none.
    """

    def __init__(self, dispatcher: Dispatcher, timeout: httpx.Timeout = TIMEOUT) -> None:
        """Open it; no request is sent."""
        self.url = dispatcher.url
        host = _checked_host(dispatcher.url)
        headers = {"accept": "application/json"}
        if dispatcher.token:
            headers["authorization"] = _authorization(dispatcher.token.reveal())
        # A proxy of the environment is for the world, not for what runs on this machine.
        self._client = httpx.Client(
            base_url=dispatcher.url,
            headers=headers,
            timeout=timeout,
            trust_env=host not in HOSTS_HERE,
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

    def get_unless(
        self, tag: str, path: str, **parameters: str | int
    ) -> tuple[dict[str, Any] | None, str]:
        """Return the JSON of a platform route and its tag, if it is not what `tag` names.

        Args:
            tag: The tag of an earlier answer, or an empty text.
            path: As for `get`.
            parameters: The query.

        Returns:
            The document, or `None` when nothing has changed; and the tag for the next time.

        Raises:
            CommandError: As for `get`.
        """
        answer = self.send("GET", path, parameters, {"if-none-match": tag} if tag else {})
        if answer.status == httpx.codes.NOT_MODIFIED:
            return None, tag
        return self._read(answer, path), answer.headers.get("etag", "")

    def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int],
        *,
        may_repeat: bool = False,
    ) -> dict[str, Any]:
        """Return the JSON of a platform route; as `get`, for other methods.

        Args:
            method: The method.
            path: As for `get`.
            parameters: The query.
            may_repeat: Whether doing it twice does no harm, though it is no GET.

        Raises:
            CommandError: As for `get`.
        """
        attempts = ATTEMPTS if may_repeat or method in _IDEMPOTENT else 1
        return self._read(self.send(method, path, parameters, attempts=attempts), path)

    def send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        attempts: int = ATTEMPTS,
    ) -> Answer:
        """Send a request and return what comes back, whatever it says.

        Args:
            method: The method.
            path: As for `get`.
            parameters: The query.
            headers: More headers.
            attempts: How often it is sent at most; again after a 5xx answer, or when the
                connection failed.

        Raises:
            NetworkError: Nobody answered, or not in time, or with too much.
        """
        tried = 0
        request = self._client.build_request(method, path, params=parameters, headers=headers)
        while True:
            tried += 1
            try:
                answer = self._send_once(request)
            except httpx.TimeoutException as error:
                raise NetworkError(
                    f"{self.url} did not answer in time.", "Run the same command again."
                ) from error
            except httpx.TransportError as error:
                if tried == attempts:
                    raise NetworkError(
                        f"The dispatcher at {self.url} could not be reached ({error}).",
                        "Check the address (--url, CLAWR_URL), and that it is running.",
                    ) from error
            else:
                if answer.status < 500 or tried == attempts:
                    return answer
            time.sleep(PAUSE_SECONDS * 2 ** (tried - 1) * random.uniform(0.7, 1.3))  # noqa: S311

    def _send_once(self, request: httpx.Request) -> Answer:
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        answer = self._client.send(request, stream=True)
        try:
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise NetworkError(
                        f"{self.url} answers more than {ANSWER_BYTES_MAX // 2**20} MiB.",
                        "Check that the address is a dispatcher's.",
                    )
                if time.monotonic() > deadline:
                    raise NetworkError(
                        f"{self.url} did not answer in time.", "Run the same command again."
                    )
            return Answer(answer.status_code, answer.headers, bytes(body))
        finally:
            answer.close()

    def _read(self, answer: Answer, path: str) -> dict[str, Any]:
        status, document = answer.status, answer.document
        if 300 <= status < 400:
            raise CommandError(
                f"{self.url} redirects {path} to another address; that is not followed, because "
                "the token is for this one alone.",
                "Give the dispatcher's own address with --url or in CLAWR_URL.",
            )
        if document is None and status >= 500:
            raise NetworkError(
                f"{self.url} failed with status {status} at {path}.",
                "Run the same command again later.",
            )
        if document is None:
            raise CommandError(
                f"{self.url} answered {path} with status {status} and no JSON object.",
                "Check that the address is a dispatcher's.",
            )
        if status < 400:
            return document
        raise _refusal(answer, document, path)


def _refusal(answer: Answer, document: Mapping[str, Any], path: str) -> CommandError:
    text = f"{document.get('error')}: {document.get('message') or document.get('detail') or ''}"
    said = f"{text[:_SAID_CHARACTERS_MAX].strip()} (request {document.get('requestId')})"
    match answer.status:
        case 401:
            return AccessError(
                f"The dispatcher refused the token for {path}: {said}",
                "Set PLATFORM_ANALYTICS_TOKEN to a token of this dispatcher.",
            )
        case 400 | 405:
            return InputError(f"The dispatcher refused {path}: {said}")
        case 404:
            return MissingError(f"The dispatcher has no {path}: {said}")
        case 429:
            wait = answer.headers.get("retry-after", "")
            advice = f"Try again in {wait} seconds." if wait.isdecimal() else "Try again later."
            return QuotaError(f"The dispatcher asks to wait: {said}", advice)
        case status:
            return CommandError(f"The dispatcher failed with {status} at {path}: {said}")


def _checked_host(url: str) -> str:
    """Return the host of an address; raises `InputError`, which does not repeat a password."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError("The dispatcher's address is not a URL.", _URL_ADVICE) from error
    if address.userinfo:
        raise InputError("The dispatcher's address has a user or password in it.", _URL_ADVICE)
    if address.scheme not in ("http", "https") or not address.host:
        raise InputError(f"{url!r} is not the address of a dispatcher.", _URL_ADVICE)
    return address.host


def _authorization(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise InputError(
            "PLATFORM_ANALYTICS_TOKEN has characters that no header can carry.",
            "Look for a line break or a letter that is not ASCII at its end.",
        )
    return f"Bearer {token}"


_URL_ADVICE = "Give --url (or CLAWR_URL) such as https://clawr-dispatcher.example.workers.dev"
