"""The basis of the other tests in this folder: the real runtime and its real bindings."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from js import Object
from pyodide.ffi import to_js


def test_python_is_that_of_the_worker() -> None:
    """The tests run on the Python of the Worker, compiled to WebAssembly."""
    assert sys.version_info[:2] == (3, 14)
    assert sys.platform == "emscripten"


async def test_kv_returns_what_was_put(env: Any) -> None:
    """A value put into KV is read back unchanged."""
    await env.USAGE_KV.put("round-trip", "välue")
    assert await env.USAGE_KV.get("round-trip") == "välue"


async def test_kv_lists_keys_with_their_metadata(raw_env: Any) -> None:
    """A listing contains each key's metadata, and only keys with the prefix."""
    options = to_js({"metadata": {"rows": 3}}, dict_converter=Object.fromEntries)
    await raw_env.USAGE_KV.put("listed/a", "1", options)
    await raw_env.USAGE_KV.put("elsewhere/b", "2")
    page = await raw_env.USAGE_KV.list(
        to_js({"prefix": "listed/"}, dict_converter=Object.fromEntries)
    )
    assert [(key.name, key.metadata.rows) for key in page.keys] == [("listed/a", 3)]
    assert page.list_complete is True


async def test_kv_reads_many_keys_at_once(raw_env: Any) -> None:
    """A bulk get returns every requested key, missing ones with null."""
    await raw_env.USAGE_KV.put("bulk/1", "one")
    await raw_env.USAGE_KV.put("bulk/2", "two")
    values = await raw_env.USAGE_KV.get(to_js(["bulk/1", "bulk/2", "bulk/missing"]))
    assert (values.get("bulk/1"), values.get("bulk/2")) == ("one", "two")
    assert not values.get("bulk/missing")


@pytest.mark.parametrize("size", [0, 1, 70_000])
async def test_kv_keeps_bytes_of_any_size(raw_env: Any, size: int) -> None:
    """Binary values keep their length."""
    await raw_env.USAGE_KV.put("bytes", to_js(bytes(size)))
    assert (await raw_env.USAGE_KV.get("bytes", "arrayBuffer")).byteLength == size


@pytest.fixture
async def stored_key(raw_env: Any) -> AsyncIterator[str]:
    """A key that exists during one test."""
    await raw_env.USAGE_KV.put("fixture", "set up")
    yield "fixture"
    await raw_env.USAGE_KV.delete("fixture")


async def test_async_fixtures_set_up_before_the_test(raw_env: Any, stored_key: str) -> None:
    """An asynchronous fixture has run up to its `yield` when the test starts."""
    assert await raw_env.USAGE_KV.get(stored_key) == "set up"


async def test_async_fixtures_tear_down_after_the_test(raw_env: Any) -> None:
    """The code after the `yield` of an asynchronous fixture has run after its test."""
    assert not await raw_env.USAGE_KV.get("fixture")
