"""The first call of an API, to say what a caller meets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from cli.secret import Secret

TIMEOUT_SECONDS: Final = 30
BODY_CHARACTERS_MAX: Final = 300
CHARACTERS_READ: Final = 10_000
"""More than is shown: a secret that is cut off would not be known for one."""


@dataclass(frozen=True, slots=True)
class Called:
    """What a call came to.

    Args:
        url: What was called.
        status: The answer's status; `None` where nobody answered.
        said: The beginning of its body, or why there was none.
    """

    url: str
    status: int | None
    said: str


def call_api(dispatcher_url: str, slug: str, secrets: Sequence[Secret] = ()) -> Called:
    """Call an API once, without paying.

    Args:
        dispatcher_url: Where the dispatcher answers.
        slug: The API.
        secrets: What is not shown, even if the API says it.
    """
    url = f"{dispatcher_url}/t/{slug}"
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS) as answer:
            said = ""
            for part in answer.iter_text():
                said += part
                if len(said) >= CHARACTERS_READ:
                    break
            for secret in secrets:
                said = said.replace(secret.reveal(), str(secret))
            return Called(url, answer.status_code, said[:BODY_CHARACTERS_MAX])
    except httpx.HTTPError as error:
        return Called(url, None, str(error) or type(error).__name__)
