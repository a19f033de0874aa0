"""Outgoing requests, on the real `fetch`."""

from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched
from runtime.http import RuntimeFetcher


def data_url(text: str) -> str:
    """Return a URL whose response is `text`."""
    return f"data:application/json,{text}"


async def fetch(url: str, **changes: Any) -> Fetched:
    """Fetch with the usual limits."""
    usual: dict[str, Any] = {"headers": {}, "method": "GET", "body": None, "timeout_ms": 5_000}
    return await RuntimeFetcher().fetch(url, **{**usual, "body_bytes_max": 100, **changes})


async def test_a_response_has_its_status_and_its_text() -> None:
    """The text is unchanged."""
    assert await fetch(data_url("true")) == Fetched(200, "true")


async def test_an_unreachable_server_raises_the_error_of_the_port() -> None:
    """No server listens on port 1."""
    with pytest.raises(FetchFailed):
        await fetch("http://127.0.0.1:1/", method="POST", body="{}", headers={"a": "b"})


async def test_a_response_that_is_too_long_is_not_read_to_its_end() -> None:
    """A body over the limit raises `FetchFailed`."""
    assert len((await fetch(data_url("x" * 100))).body) == 100
    with pytest.raises(FetchFailed, match="longer"):
        await fetch(data_url("x" * 101))
