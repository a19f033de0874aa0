"""Outgoing requests, on the real `fetch`."""

from typing import Any

import pytest

from core.errors import FetchFailed
from core.ports import Fetched
from runtime.http import RuntimeFetcher


def data_url(text: str) -> str:
    """An address whose server answers `text`."""
    return f"data:application/json,{text}"


async def ask(url: str, **changes: Any) -> Fetched:
    """Fetch with usual limits."""
    usual: dict[str, Any] = {"headers": {}, "method": "GET", "body": None, "timeout_ms": 5_000}
    return await RuntimeFetcher().fetch(url, **{**usual, "body_bytes_max": 100, **changes})


async def test_an_answer_is_its_status_and_its_text() -> None:
    """What the other server says arrives as it is."""
    assert await ask(data_url("true")) == Fetched(200, "true")


async def test_a_server_that_is_not_there_is_our_own_error() -> None:
    """Nobody listens at port 1."""
    with pytest.raises(FetchFailed):
        await ask("http://127.0.0.1:1/", method="POST", body="{}", headers={"a": "b"})


async def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    """A body past the limit is our own error."""
    assert len((await ask(data_url("x" * 100))).body) == 100
    with pytest.raises(FetchFailed, match="longer"):
        await ask(data_url("x" * 101))
