"""Opens Cloudflare's API through the official SDK, and turns its errors into `CommandError`s.

The SDK retries connection errors, 408, 409, 429 with Retry-After, and 5xx.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

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
from cli.script_failures import CODES, script_error
from cli.targets import Account

TIMEOUT: Final = httpx.Timeout(60, connect=10)
RETRIES: Final = 4
RUN_AGAIN: Final = "Run the same command again. Completed steps are not repeated."
"""Advice after a temporary failure."""

_MESSAGE_CHARACTERS_MAX = 500

_MEANINGS: Final[dict[int, tuple[type[CommandError], str, str]]] = {
    401: (
        AccessError,
        "Cloudflare rejected the token",
        "Check CLOUDFLARE_API_TOKEN. `clawr doctor` lists the permissions that it needs.",
    ),
    403: (
        AccessError,
        "The token lacks a permission",
        "Add the missing permission. `clawr doctor` lists the ones that are needed.",
    ),
    404: (MissingError, "Cloudflare does not have this resource", ""),
    409: (
        ConflictError,
        "The resource conflicts with an existing one",
        "Resolve the conflict, then run the same command again.",
    ),
    429: (
        QuotaError,
        "Cloudflare's rate limit or a limit of the account is reached",
        "Wait a few minutes, then run the same command again.",
    ),
}
"""By status below 500: the error, its message and its advice."""


def open_account(account: Account, seconds_max: float | None = None) -> cloudflare.Cloudflare:
    """Return a client for the account's API, to be used in a `with` block.

    Args:
        account: The account.
        seconds_max: Ends each request after this time, without another attempt; `None` for
            `TIMEOUT` and `RETRIES`.
    """
    return cloudflare.Cloudflare(
        api_token=account.token.reveal(),
        base_url=account.url,
        timeout=TIMEOUT if seconds_max is None else httpx.Timeout(seconds_max),
        max_retries=RETRIES if seconds_max is None else 0,
    )


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the SDK's errors into `CommandError`s within a `with` block.

    Args:
        what: The operation, such as "listing KV namespaces".
    """
    try:
        yield
    except cloudflare.APITimeoutError as error:
        raise NetworkError(f"Cloudflare's API timed out while {what}.", RUN_AGAIN) from error
    except cloudflare.APIConnectionError as error:
        raise NetworkError(
            f"Cloudflare's API could not be reached while {what} ({_cause(error)}).",
            "Check the network and CLOUDFLARE_API_BASE_URL, then run the same command again.",
        ) from error
    except cloudflare.APIStatusError as error:
        raise _status_error(what, error) from error


def error_code(error: cloudflare.APIStatusError) -> int | None:
    """Return Cloudflare's first error code in a response, if there is one."""
    code = next((one.get("code") for one in _errors(error)), None)
    return code if isinstance(code, int) else None


def _status_error(what: str, error: cloudflare.APIStatusError) -> CommandError:
    reason, status = _reason(error), error.status_code
    if {one.get("code") for one in _errors(error)} & CODES:
        return script_error(f"The script was rejected ({what}); nothing was changed.", reason)
    reason = reason[:_MESSAGE_CHARACTERS_MAX]
    if status >= 500:
        return NetworkError(
            f"Cloudflare's API failed with status {status} while {what}: {reason}",
            f"Wait a few minutes. {RUN_AGAIN}",
        )
    kind, message, advice = _MEANINGS.get(
        status, (CommandError, f"Cloudflare rejected the request with status {status}", "")
    )
    return kind(f"{message} ({what}): {reason}", advice)


def _reason(error: cloudflare.APIStatusError) -> str:
    """Return the messages in the response's envelope, or the start of the response."""
    messages = [f"{one.get('message')} [{one.get('code')}]" for one in _errors(error)]
    if messages:
        return "; ".join(messages)
    return error.response.text[:_MESSAGE_CHARACTERS_MAX] or "no reason given"


def _errors(error: cloudflare.APIStatusError) -> Sequence[Mapping[str, Any]]:
    body = error.body
    errors = body.get("errors") if isinstance(body, dict) else None
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
