"""Workers KV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, jsnull, to_js
from workers import import_from_javascript

from core.constants import KV_LIST_KEYS_MAX
from core.errors import ReadTooLarge, StoreUnavailable
from core.ports import Json, KeyPage, ListedKey, NamePage

_list_names = import_from_javascript("runtime/bridge.js").listNames
_FEW_VALUES = 8
"""Up to this many values are converted one by one; more are passed as one JSON text."""


class RuntimeStore:
    """A Workers KV namespace (https://developers.cloudflare.com/kv/api/)."""

    def __init__(self, binding: Any) -> None:
        """Take the raw binding, without the SDK's wrapper around it."""
        self._binding = binding

    async def put(
        self,
        key: str,
        value: str,
        metadata: Mapping[str, Json],
        expiration_ttl_seconds: int | None = None,
    ) -> None:
        """Write `value` under `key`. Raises `StoreUnavailable`."""
        options: dict[str, Json] = {"metadata": dict(metadata)}
        if expiration_ttl_seconds is not None:
            options["expirationTtl"] = expiration_ttl_seconds
        try:
            await self._binding.put(key, value, js_object(options))
        except JsException as error:
            raise StoreUnavailable(str(error)) from error

    async def delete(self, key: str) -> None:
        """Delete `key` if it exists. Raises `StoreUnavailable`."""
        try:
            await self._binding.delete(key)
        except JsException as error:
            raise StoreUnavailable(str(error)) from error

    async def list_page(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> KeyPage:
        """List up to `limit` keys that start with `prefix`. Raises `StoreUnavailable`."""
        options: dict[str, Json] = {"prefix": prefix, "limit": limit}
        if cursor is not None:
            options["cursor"] = cursor
        try:
            found = await self._binding.list(js_object(options))
        except JsException as error:
            raise StoreUnavailable(str(error)) from error
        page = json.loads(js.JSON.stringify(found))
        listed = [ListedKey(entry["name"], entry.get("metadata")) for entry in page["keys"]]
        return KeyPage(listed, None if page["list_complete"] else page["cursor"])

    async def list_names(
        self, prefix: str, cursor: str | None, limit: int = KV_LIST_KEYS_MAX
    ) -> NamePage:
        """List up to `limit` names of keys that start with `prefix`. Raises `StoreUnavailable`."""
        try:
            found = await _list_names(self._binding, prefix, limit, cursor)
        except JsException as error:
            raise StoreUnavailable(str(error)) from error
        return NamePage(*json.loads(found))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Read up to 100 keys as one operation. Raises `StoreUnavailable`, or `ReadTooLarge`."""
        try:
            found = await self._binding.get(to_js(list(keys)))
        except JsException as error:
            # 413 Content Too Large: "KV GET_BULK failed: 413 Total size of …".
            kind = ReadTooLarge if " 413 " in str(error) else StoreUnavailable
            raise kind(str(error)) from error
        if len(keys) <= _FEW_VALUES:
            # Small groups may have values of megabytes; this way they are in memory only once.
            few = {key: found.get(key) for key in keys}
            return {key: None if value is jsnull else value for key, value in few.items()}
        values: Mapping[str, str | None] = json.loads(
            js.JSON.stringify(js.Object.fromEntries(found))
        )
        return values


def js_object(value: Mapping[str, Any]) -> Any:
    """Return a mapping as a JavaScript object."""
    return to_js(value, dict_converter=js.Object.fromEntries)
