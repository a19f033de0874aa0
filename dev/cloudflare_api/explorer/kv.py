"""The local KV of a running dispatcher, as the routes need it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.explorer.client import Explorer
from dev.cloudflare_api.explorer.created import Created
from dev.cloudflare_api.ports import Entry, KeyPage, Namespace
from dev.cloudflare_api.responses import NotHereError

ROOT = "/storage/kv/namespaces"
DELETED_AT_ONCE = 1_000
KEYS_PER_PAGE_MIN = 10


class ExplorerKv:
    """KV behind a dispatcher's explorer.

    Args:
        explorer: The way there.
        created: The namespaces that were created through the API.
    """

    def __init__(self, explorer: Explorer, created: Created) -> None:
        """Keep the arguments."""
        self._explorer = explorer
        self._created = created

    async def namespaces(self) -> Sequence[Namespace]:
        """Return those that the dispatcher binds, titled as the binding, and those created."""
        envelope = await self._explorer.ask("GET", ROOT)
        bound = {one["id"]: one["title"] for one in envelope["result"]}
        return [Namespace(*one) for one in {**self._created.names(), **bound}.items()]

    async def create(self, title: str) -> Namespace:
        """Create one, for scripts to bind."""
        namespace = Namespace(uuid4().hex, title)
        self._created.put(namespace.id, title)
        return namespace

    async def rename(self, namespace_id: str, title: str) -> None:
        """Give one that was created another title."""
        self._check_created(namespace_id)
        self._created.put(namespace_id, title)

    async def remove(self, namespace_id: str) -> None:
        """Remove one that was created, with all that it holds."""
        self._check_created(namespace_id)
        page = await self.keys(namespace_id, "", DELETED_AT_ONCE, "")
        while page.keys:
            await self.delete(namespace_id, [one.key for one in page.keys])
            page = await self.keys(namespace_id, "", DELETED_AT_ONCE, "")
        self._created.forget(namespace_id)

    async def keys(self, namespace_id: str, prefix: str, limit: int, cursor: str) -> KeyPage:
        """Return a page."""
        query = {"prefix": prefix, "limit": str(limit), **({"cursor": cursor} if cursor else {})}
        envelope = await self._explorer.ask("GET", f"{ROOT}/{namespace_id}/keys", params=query)
        keys = [
            Entry(one["name"], b"", one.get("metadata"), one.get("expiration"))
            for one in envelope["result"]
        ]
        return KeyPage(keys, envelope["result_info"]["cursor"])

    async def read(self, namespace_id: str, key: str) -> Entry | None:
        """Return an entry; its metadata comes from a listing, as the explorer has no other way."""
        path = f"{ROOT}/{namespace_id}/values/{_in_path(key)}"
        answer = await self._explorer.send("GET", path)
        if answer.status_code != 200:
            return None
        # A key comes first among those that it is the start of.
        page = await self.keys(namespace_id, key, KEYS_PER_PAGE_MIN, "")
        about = next((one for one in page.keys if one.key == key), Entry(key, b""))
        return Entry(key, answer.content, about.metadata, about.expiration)

    async def values(self, namespace_id: str, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """Return values."""
        envelope = await self._explorer.ask(
            "POST", f"{ROOT}/{namespace_id}/bulk/get", document={"keys": [*keys]}
        )
        values: Mapping[str, str | None] = envelope["result"]["values"]
        return {key: None if (text := values.get(key)) is None else text.encode() for key in keys}

    async def write(self, namespace_id: str, entries: Sequence[Entry]) -> None:
        """Store entries."""
        documents = [_document(entry) for entry in entries]
        await self._explorer.ask("PUT", f"{ROOT}/{namespace_id}/bulk", document=documents)

    async def delete(self, namespace_id: str, keys: Sequence[str]) -> None:
        """Delete keys."""
        path = f"{ROOT}/{namespace_id}/bulk/delete"
        await self._explorer.ask("POST", path, document=[*keys])

    def _check_created(self, namespace_id: str) -> None:
        if namespace_id not in self._created.names():
            raise NotHereError(
                "The local dispatcher's configuration binds this namespace: it stays as it is."
            )


def _document(entry: Entry) -> dict[str, Any]:
    """Return an entry as a bulk write has it; in base64, so that any bytes get through."""
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
