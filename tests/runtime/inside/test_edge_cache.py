"""The cache that the isolates of a location share, on the real Cache API."""

from runtime.edge_cache import RuntimeEdgeCache

ADDRESS = "https://explore.invalid/tests"


async def test_a_stored_text_is_found_by_another_isolate() -> None:
    """Text of any size is returned complete, by another object."""
    for text in ("", "a\nb", "x" * 600_000, "é👩‍🔬"):
        await RuntimeEdgeCache().write(ADDRESS, text, 60)
        assert await RuntimeEdgeCache().read(ADDRESS) == text


async def test_a_text_that_was_never_stored_is_not_found() -> None:
    """Nor is one at another address."""
    cache = RuntimeEdgeCache()
    await cache.write(ADDRESS + "/1", "one", 60)
    assert await cache.read(ADDRESS + "/2") is None


async def test_an_expired_text_is_not_found() -> None:
    """A lifetime of zero ends at once."""
    cache = RuntimeEdgeCache()
    await cache.write(ADDRESS + "/over", "gone", 0)
    assert await cache.read(ADDRESS + "/over") is None


async def test_a_failing_cache_is_no_error() -> None:
    """An invalid address neither stores nor raises."""
    cache = RuntimeEdgeCache()
    await cache.write("not an address", "text", 60)
    assert await cache.read("not an address") is None
