"""The KV namespaces of a running dispatcher."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.explorer.client import Explorer
from dev.cloudflare_api.explorer.created import CreatedNames
from dev.cloudflare_api.ports import Entry, KeyPage, Namespace
from dev.cloudflare_api.responses import UnsupportedError

ROOT = "/storage/kv/namespaces"
DELETE_KEYS_MAX = 1_000
KEYS_PER_PAGE_MIN = 10


class ExplorerKv:
    """KV behind a dispatcher's explorer.

    Args:
        explorer: The client.
        created: The namespaces that were created through the API.
    """

    def __init__(self, explorer: Explorer, created: CreatedNames) -> None:
        """Keep the arguments."""
        self._explorer = explorer
        self._created = created

    async def namespaces(self) -> Sequence[Namespace]:
        """Return the bound namespaces, titled like their binding, and the created ones."""
        envelope = await self._explorer.request("GET", ROOT)
        bound = {one["id"]: one["title"] for one in envelope["result"]}
        return [Namespace(*one) for one in {**self._created.names(), **bound}.items()]

    async def create(self, title: str) -> Namespace:
        """Create a namespace that scripts can bind."""
        namespace = Namespace(uuid4().hex, title)
        self._created.put(namespace.id, title)
        return namespace

    async def rename(self, namespace_id: str, title: str) -> None:
        """Change the title of a created namespace."""
        self._check_created(namespace_id)
        self._created.put(namespace_id, title)

    async def remove(self, namespace_id: str) -> None:
        """Remove a created namespace with its entries."""
        self._check_created(namespace_id)
        page = await self.keys(namespace_id, "", DELETE_KEYS_MAX, "")
        while page.keys:
            await self.delete(namespace_id, [one.key for one in page.keys])
            page = await self.keys(namespace_id, "", DELETE_KEYS_MAX, "")
        self._created.remove(namespace_id)

    async def keys(self, namespace_id: str, prefix: str, limit: int, cursor: str) -> KeyPage:
        """Return a page of keys."""
        query = {"prefix": prefix, "limit": str(limit), **({"cursor": cursor} if cursor else {})}
        envelope = await self._explorer.request("GET", f"{ROOT}/{namespace_id}/keys", params=query)
        keys = [
            Entry(one["name"], b"", one.get("metadata"), one.get("expiration"))
            for one in envelope["result"]
        ]
        return KeyPage(keys, envelope["result_info"]["cursor"])

    async def read(self, namespace_id: str, key: str) -> Entry | None:
        """Return an entry; the explorer has its metadata only in listings."""
        path = f"{ROOT}/{namespace_id}/values/{_in_path(key)}"
        response = await self._explorer.send("GET", path)
        if response.status_code != 200:
            return None
        # A key sorts before all longer keys that start with it.
        page = await self.keys(namespace_id, key, KEYS_PER_PAGE_MIN, "")
        listed = next((one for one in page.keys if one.key == key), Entry(key, b""))
        return Entry(key, response.content, listed.metadata, listed.expiration)

    async def values(self, namespace_id: str, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """Return the values of keys."""
        envelope = await self._explorer.request(
            "POST", f"{ROOT}/{namespace_id}/bulk/get", document={"keys": [*keys]}
        )
        values: Mapping[str, str | None] = envelope["result"]["values"]
        return {key: None if (text := values.get(key)) is None else text.encode() for key in keys}

    async def write(self, namespace_id: str, entries: Sequence[Entry]) -> None:
        """Store entries."""
        documents = [_document(entry) for entry in entries]
        await self._explorer.request("PUT", f"{ROOT}/{namespace_id}/bulk", document=documents)

    async def delete(self, namespace_id: str, keys: Sequence[str]) -> None:
        """Delete keys."""
        path = f"{ROOT}/{namespace_id}/bulk/delete"
        await self._explorer.request("POST", path, document=[*keys])

    def _check_created(self, namespace_id: str) -> None:
        if namespace_id not in self._created.names():
            raise UnsupportedError(
                "The dispatcher's configuration binds this namespace; it cannot be changed."
            )


def _document(entry: Entry) -> dict[str, Any]:
    """Return an entry of a bulk write; base64, because JSON cannot carry arbitrary bytes."""
    document: dict[str, Any] = {
        "key": entry.key,
        "value": base64.b64encode(entry.value).decode(),
        "base64": True,
    }
    if entry.metadata is not None:
        document["metadata"] = entry.metadata
    if entry.expiration is not None:
        document["expiration"] = entry.expiration
    return document


def _in_path(key: str) -> str:
    return "".join(f"%{byte:02X}" for byte in key.encode())
