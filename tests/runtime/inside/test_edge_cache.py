"""What isolates of one location share, on the real Cache API."""

from runtime.edge_cache import RuntimeEdgeCache

ADDRESS = "https://explore.invalid/tests"


async def test_what_is_left_is_found_by_another() -> None:
    """Text of any size comes back whole, through an opening of its own."""
    for text in ("", "a\nb", "x" * 600_000, "é👩‍🔬"):
        await RuntimeEdgeCache().write(ADDRESS, text, 60)
        assert await RuntimeEdgeCache().read(ADDRESS) == text


async def test_what_was_never_left_is_not_there() -> None:
    """Neither is what has another address."""
    cache = RuntimeEdgeCache()
    await cache.write(ADDRESS + "/1", "one", 60)
    assert await cache.read(ADDRESS + "/2") is None


async def test_what_has_expired_is_not_there() -> None:
    """A lifetime of nothing is over at once."""
    cache = RuntimeEdgeCache()
    await cache.write(ADDRESS + "/over", "gone", 0)
    assert await cache.read(ADDRESS + "/over") is None


async def test_a_cache_that_refuses_costs_nothing_but_the_cache() -> None:
    """An address that the cache does not take is no error."""
    cache = RuntimeEdgeCache()
    await cache.write("not an address", "text", 60)
    assert await cache.read("not an address") is None
