"""Calls a published API once, to show what a caller gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from cli.secret import Secret
from core.listed_settings import PUBLISH_PROBE

TIMEOUT_SECONDS: Final = 30
BODY_CHARACTERS_MAX: Final = 300
_HEADERS: Final = {"user-agent": PUBLISH_PROBE}
CHARACTERS_READ: Final = 10_000
"""More than is shown, because a truncated secret would not be recognized."""


@dataclass(frozen=True, slots=True)
class FirstCall:
    """The result of a call.

    Args:
        url: The URL.
        status: The response's status; `None` if there was no response.
        body: The beginning of the body, or why there was no response.
    """

    url: str
    status: int | None
    body: str

    @property
    def is_misconfigured(self) -> bool:
        """Whether the dispatcher says that the record does not fit its settings."""
        is_error = self.status == httpx.codes.INTERNAL_SERVER_ERROR
        return is_error and '"error":"configuration_error"' in self.body


def call_api(dispatcher_url: str, slug: str, secrets: Sequence[Secret] = ()) -> FirstCall:
    """Call an API once, without payment; the call does not count in totals.

    Args:
        dispatcher_url: The dispatcher's URL.
        slug: The API.
        secrets: Secrets to replace in the body.
    """
    url = f"{dispatcher_url}/t/{slug}"
    try:
        with httpx.stream("GET", url, headers=_HEADERS, timeout=TIMEOUT_SECONDS) as response:
            body = ""
            for part in response.iter_text():
                body += part
                if len(body) >= CHARACTERS_READ:
                    break
            for secret in secrets:
                body = body.replace(secret.reveal(), str(secret))
            return FirstCall(url, response.status_code, body[:BODY_CHARACTERS_MAX])
    except httpx.HTTPError as error:
        return FirstCall(url, None, str(error) or type(error).__name__)
