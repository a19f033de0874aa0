"""Cloudflare's API through the official SDK, and what its errors mean to people.

The SDK repeats what may be repeated (connection errors, 408, 409, 429 with Retry-After, 5xx);
what is still wrong after that is explained here, and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cloudflare
import httpx

from cli.errors import (
    AccessError,
    CommandError,
    ConflictError,
    MissingError,
    NetworkError,
    QuotaError,
)
from cli.targets import Account

TIMEOUT: Final = httpx.Timeout(60, connect=10)
RETRIES: Final = 4

_MESSAGE_CHARACTERS_MAX = 500

_MEANINGS: Final[dict[int, tuple[type[CommandError], str, str]]] = {
    401: (
        AccessError,
        "Cloudflare refused the token",
        "Check CLOUDFLARE_API_TOKEN; `clawr doctor` says which rights it needs.",
    ),
    403: (
        AccessError,
        "The token may not do this",
        "Give it the right that is missing; `clawr doctor` says which ones are needed.",
    ),
    404: (MissingError, "Cloudflare knows nothing by that name", ""),
    409: (
        ConflictError,
        "Something else stands in the way",
        "Look at what is there, then run the same command again.",
    ),
    429: (
        QuotaError,
        "Cloudflare asks to wait, or the account's limit is reached",
        "Wait some minutes, then run the same command again.",
    ),
}
"""What a status below 500 means: the error, what failed, and what to do."""


def open_account(account: Account) -> cloudflare.Cloudflare:
    """Return a client of the account's API; close it, or use it in a `with` block."""
    return cloudflare.Cloudflare(
        api_token=account.token.reveal(),
        base_url=account.url,
        timeout=TIMEOUT,
        max_retries=RETRIES,
    )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the SDK's errors into `CommandError`s, for the time of a `with` block.

    Args:
        what: What was being done, such as "listing KV namespaces".
    """
    try:
        yield
    except cloudflare.APITimeoutError as error:
        raise NetworkError(
            f"Cloudflare did not answer in time while {what}.",
            "Run the same command again: what was done already stays done.",
        ) from error
    except cloudflare.APIConnectionError as error:
        raise NetworkError(
            f"Cloudflare's API could not be reached while {what} ({_cause(error)}).",
            "Check the network and CLOUDFLARE_API_BASE_URL, then run the same command again.",
        ) from error
    except cloudflare.APIStatusError as error:
        raise _of_status(what, error) from error


def _of_status(what: str, error: cloudflare.APIStatusError) -> CommandError:
    said, status = _said(error), error.status_code
    if status >= 500:
        return NetworkError(
            f"Cloudflare failed with status {status} while {what}: {said}",
            "Run the same command again later: what was done already stays done.",
        )
    kind, message, advice = _MEANINGS.get(
        status, (CommandError, f"Cloudflare refused it with status {status}", "")
    )
    return kind(f"{message} ({what}): {said}", advice)


def _said(error: cloudflare.APIStatusError) -> str:
    """Return the messages of the answer, which are in Cloudflare's envelope of all answers."""
    body = error.body
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list):
        messages = [
            f"{one.get('message')} [{one.get('code')}]" for one in errors if isinstance(one, dict)
        ]
        if messages:
            return "; ".join(messages)[:_MESSAGE_CHARACTERS_MAX]
    return error.response.text[:_MESSAGE_CHARACTERS_MAX] or "no reason given"


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
