"""A fake of Cloudflare's API, in this process, for unit tests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cloudflare
import httpx

ACCOUNT = "a" * 32
TOKEN = "token-that-must-not-be-shown"

Answer = Callable[[httpx.Request], httpx.Response]


def result(value: object, status: int = 200) -> httpx.Response:
    """Return a successful response in Cloudflare's envelope."""
    return httpx.Response(
        status, json={"success": True, "errors": [], "messages": [], "result": value}
    )


def refusal(status: int, code: int, message: str) -> httpx.Response:
    """Return an error response in that envelope."""
    errors = [{"code": code, "message": message}]
    return httpx.Response(
        status, json={"success": False, "errors": errors, "messages": [], "result": None}
    )


@dataclass(slots=True)
class Cloud:
    """Responds by method and path, and records the requests.

    Args:
        answers: Response functions by `METHOD path`, with the path below the account.
    """

    answers: Mapping[str, Answer]
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def client(self) -> cloudflare.Cloudflare:
        """Return the official client, connected to this fake."""
        return cloudflare.Cloudflare(
            api_token=TOKEN,
            http_client=httpx.Client(transport=httpx.MockTransport(self._answer)),
            max_retries=0,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.partition(f"/accounts/{ACCOUNT}")[2]
        key = f"{request.method} {path}"
        self.asked.append((key, json.loads(request.content) if request.content else None))
        known = self.answers.get(key)
        return known(request) if known else refusal(404, 7003, f"no response for {key}")
