"""What every `KeyValueStore` promises: the fake, the simulated one, and the real binding.

This file also runs inside workerd, where `tests/runtime/inside` links to it. There it
cannot import from the tests, and all tests share a namespace, so each uses its own keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from core.errors import ReadTooLarge, StoreUnavailable
from core.ports import Json, KeyValueStore, ListedKey

MEBIBYTE = 1024 * 1024


async def put(
    store: KeyValueStore, key: str, value: str = "v", metadata: Mapping[str, Json] | None = None
) -> None:
    """Put, and retry: KV may reject a second write to a key within a second."""
    for _ in range(2):
        try:
            return await store.put(key, value, metadata or {})
        except StoreUnavailable:
            await asyncio.sleep(1.1)
    return await store.put(key, value, metadata or {})


async def listed(store: KeyValueStore, prefix: str) -> Sequence[ListedKey]:
    """Return all keys of a prefix, from all pages."""
    keys: list[ListedKey] = []
    cursor = None
    while True:
        page = await store.list_page(prefix, cursor)
        keys += page.keys
        cursor = page.cursor
        if cursor is None:
            return keys


async def names(store: KeyValueStore, prefix: str) -> Sequence[str]:
    """Return the names of all keys of a prefix."""
    found: list[str] = []
    cursor = None
    while True:
        page = await store.list_names(prefix, cursor)
        found += page.names
        cursor = page.cursor
        if cursor is None:
            return found


async def test_text_is_returned_unchanged(store: KeyValueStore) -> None:
    texts = {"text/a": "välue \U0001f600", "text/b": "", "text/c": '{"a":"\\u0000\\n"}'}
    for key, text in texts.items():
        await put(store, key, text)
    assert await store.get_many(list(texts)) == texts


async def test_metadata_is_returned_with_the_listing(store: KeyValueStore) -> None:
    metadata = {"events": 3, "nested": {"of": ["any", None, "ä"]}}
    await put(store, "metadata/a", "v", metadata)
    assert await listed(store, "metadata/") == [ListedKey("metadata/a", metadata)]


async def test_empty_metadata_may_be_listed_as_none(store: KeyValueStore) -> None:
    await put(store, "empty-metadata/a", "v", {})
    (key,) = await listed(store, "empty-metadata/")
    assert not key.metadata


async def test_a_key_that_does_not_exist_reads_as_none(store: KeyValueStore) -> None:
    await put(store, "missing/there")
    assert await store.get_many(["missing/there", "missing/not"]) == {
        "missing/there": "v",
        "missing/not": None,
    }


async def test_a_prefix_without_keys_is_one_empty_page(store: KeyValueStore) -> None:
    page = await store.list_page("nothing-here/", None)
    assert (list(page.keys), page.cursor) == ([], None)


async def test_a_listing_has_the_keys_of_its_prefix_in_ascending_order(
    store: KeyValueStore,
) -> None:
    ascending = ["order/", "order/-", "order/1", "order/10", "order/2", "order/Z", "order/a"]
    ascending += ["order/a/b", "order/z", "order/ä", "order/\uffee", "order/\U0001f600"]
    for name in (*reversed(ascending), "order", "ordes/a"):
        await put(store, name)
    assert await names(store, "order/") == ascending


async def test_a_key_is_a_prefix_of_itself(store: KeyValueStore) -> None:
    await put(store, "self/a")
    await put(store, "self/ab")
    assert await names(store, "self/a") == ["self/a", "self/ab"]


async def test_a_key_that_is_put_again_has_its_last_value(store: KeyValueStore) -> None:
    await put(store, "again/a", "first", {"n": 1})
    await put(store, "again/a", "second", {"n": 2})
    assert await store.get_many(["again/a"]) == {"again/a": "second"}
    assert await listed(store, "again/") == [ListedKey("again/a", {"n": 2})]


async def test_pages_list_each_key_once_and_are_not_too_long(
    store: KeyValueStore,
) -> None:
    expected = [f"page/{number:04d}" for number in range(1_003)]
    for start in range(0, len(expected), 100):
        await asyncio.gather(*(put(store, name) for name in expected[start : start + 100]))
    found: list[str] = []
    cursor = None
    while True:
        page = await store.list_page("page/", cursor)
        assert len(page.keys) <= 1_000
        found += [key.name for key in page.keys]
        cursor = page.cursor
        if cursor is None:
            break
        # A new key before the cursor does not shift the keys after it.
        await put(store, "page/!")
    assert found == expected


async def test_listed_names_are_those_of_the_listed_keys(store: KeyValueStore) -> None:
    for name in ("alone/b", "alone/a\nalone/c", 'alone/"', "alone/ä"):
        await put(store, name, "v", {"n": 1})
    assert await names(store, "alone/") == [key.name for key in await listed(store, "alone/")]
    first = await store.list_names("alone/", None, 3)
    assert len(first.names) <= 3
    assert first.cursor is not None
    assert first.names == (await names(store, "alone/"))[: len(first.names)]
    with pytest.raises(StoreUnavailable):
        await store.list_names("q" * 513, None)


@pytest.mark.parametrize("key", ["k" * 512, "ä" * 256])
async def test_a_key_has_up_to_512_bytes(store: KeyValueStore, key: str) -> None:
    await put(store, key)
    assert await store.get_many([key]) == {key: "v"}


@pytest.mark.parametrize("key", ["", ".", "..", "k" * 513, "ä" * 257])
async def test_an_invalid_key_is_rejected(store: KeyValueStore, key: str) -> None:
    with pytest.raises(StoreUnavailable):
        await store.put(key, "v", {})
    with pytest.raises(StoreUnavailable):
        await store.get_many([key])


async def test_a_prefix_has_up_to_512_bytes(store: KeyValueStore) -> None:
    assert await names(store, "q" * 512) == []
    with pytest.raises(StoreUnavailable):
        await store.list_page("q" * 513, None)


async def test_metadata_has_up_to_1024_bytes_as_json(store: KeyValueStore) -> None:
    overhead = len('{"m":""}')
    await put(store, "metadata-size/fits", "v", {"m": "x" * (1_024 - overhead)})
    for text in ("x" * (1_025 - overhead), "ä" * 512):
        with pytest.raises(StoreUnavailable):
            await store.put("metadata-size/not", "v", {"m": text})
    assert await names(store, "metadata-size/") == ["metadata-size/fits"]


async def test_a_value_has_up_to_25_mebibytes(store: KeyValueStore) -> None:
    await put(store, "value-size/fits", "x" * (25 * MEBIBYTE))
    for text in ("x" * (25 * MEBIBYTE + 1), "ä" * (13 * MEBIBYTE)):
        with pytest.raises(StoreUnavailable):
            await store.put("value-size/not", text, {})
    assert await names(store, "value-size/") == ["value-size/fits"]


async def test_a_bulk_get_reads_up_to_a_hundred_keys(store: KeyValueStore) -> None:
    keys = [f"hundred/{number}" for number in range(100)]
    await put(store, keys[7])
    found = await store.get_many(keys)
    assert set(found) == set(keys)
    assert [key for key, value in found.items() if value is not None] == [keys[7]]


@pytest.mark.parametrize("count", [0, 101])
async def test_a_bulk_get_of_none_or_more_than_a_hundred_is_rejected(
    store: KeyValueStore, count: int
) -> None:
    with pytest.raises(StoreUnavailable):
        await store.get_many([f"many/{number}" for number in range(count)])


async def test_a_bulk_get_reads_up_to_25_mebibytes_in_total(store: KeyValueStore) -> None:
    half = "x" * (12 * MEBIBYTE)
    for name in ("a", "b", "c"):
        await put(store, f"bulk-size/{name}", half)
    assert await store.get_many(["bulk-size/a", "bulk-size/b"])
    with pytest.raises(ReadTooLarge):
        await store.get_many(["bulk-size/a", "bulk-size/b", "bulk-size/c"])


async def test_a_key_can_be_read_twice_in_one_bulk_get(store: KeyValueStore) -> None:
    await put(store, "twice/a")
    assert await store.get_many(["twice/a", "twice/a"]) == {"twice/a": "v"}


async def test_keys_may_contain_special_characters_of_urls_and_objects(
    store: KeyValueStore,
) -> None:
    odd = ["odd/%2F", "odd/?a=b#c", "odd/a b", "odd/a+b", "odd/\\", "odd//", "odd/__proto__"]
    for key in odd:
        await put(store, key, key)
    assert await names(store, "odd/") == sorted(odd)
    assert await store.get_many(odd) == {key: key for key in odd}
