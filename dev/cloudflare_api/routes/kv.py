"""Routes of KV namespaces and their entries.

https://developers.cloudflare.com/api/resources/kv/
"""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.ports import Entry, KvNamespaces, Namespace
from dev.cloudflare_api.responses import (
    BAD_REQUEST,
    KEY_NOT_FOUND,
    NAMESPACE_NOT_FOUND,
    TITLE_TAKEN,
    InvalidError,
    NotFoundError,
    TooLargeError,
    json_body,
    json_object,
    paged,
    success,
    text_field,
    whole_number,
)

ROOT: Final = "/accounts/{account}/storage/kv/namespaces"

KEY_BYTES_MAX: Final = 512
METADATA_BYTES_MAX: Final = 1_024
VALUE_BYTES_MAX: Final = 25 * 1024 * 1024
TTL_SECONDS_MIN: Final = 60
KEYS_PER_PAGE_MAX: Final = 1_000
BULK_WRITES_MAX: Final = 10_000
BULK_READS_MAX: Final = 100
"""https://developers.cloudflare.com/kv/platform/limits/"""


class KvRoutes:
    """The routes of KV.

    Args:
        kv: The store.
    """

    def __init__(self, kv: KvNamespaces) -> None:
        """Keep the argument."""
        self._kv = kv

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = f"{ROOT}/{{namespace}}"
        return [
            Route(ROOT, self.index, methods=["GET"]),
            Route(ROOT, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.rename, methods=["PUT"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/keys", self.keys, methods=["GET"]),
            Route(f"{one}/values/{{key:path}}", self.value, methods=["GET"]),
            Route(f"{one}/values/{{key:path}}", self.put_value, methods=["PUT"]),
            Route(f"{one}/values/{{key:path}}", self.delete_value, methods=["DELETE"]),
            Route(f"{one}/metadata/{{key:path}}", self.metadata, methods=["GET"]),
            Route(f"{one}/bulk", self.bulk_put, methods=["PUT"]),
            Route(f"{one}/bulk/get", self.bulk_get, methods=["POST"]),
            Route(f"{one}/bulk/delete", self.bulk_delete, methods=["POST"]),
            Route(f"{one}/bulk", self.bulk_delete, methods=["DELETE"]),
        ]

    async def index(self, request: Request) -> Response:
        """List the namespaces."""
        found = sorted(await self._kv.namespaces(), key=lambda one: one.title)
        if request.query_params.get("order") == "id":
            found.sort(key=lambda one: one.id)
        if request.query_params.get("direction") == "desc":
            found.reverse()
        return paged([_described(one) for one in found], request)

    async def create(self, request: Request) -> Response:
        """Create a namespace."""
        title = text_field(await json_object(request), "title")
        await self._check_title(title)
        return success(_described(await self._kv.create(title)))

    async def get(self, request: Request) -> Response:
        """Describe a namespace."""
        return success(_described(await self._found(request)))

    async def rename(self, request: Request) -> Response:
        """Change the title of a namespace."""
        namespace = await self._found(request)
        title = text_field(await json_object(request), "title")
        if title != namespace.title:
            await self._check_title(title)
            await self._kv.rename(namespace.id, title)
        return success({})

    async def remove(self, request: Request) -> Response:
        """Remove a namespace."""
        await self._kv.remove((await self._found(request)).id)
        return success({})

    async def keys(self, request: Request) -> Response:
        """List keys."""
        namespace = await self._found(request)
        limit = whole_number(request, "limit", KEYS_PER_PAGE_MAX, least=10, most=KEYS_PER_PAGE_MAX)
        query = request.query_params
        page = await self._kv.keys(
            namespace.id, query.get("prefix", ""), limit, query.get("cursor", "")
        )
        listed = [
            {"name": one.key}
            | ({} if one.expiration is None else {"expiration": one.expiration})
            | ({} if one.metadata is None else {"metadata": one.metadata})
            for one in page.keys
        ]
        return success(listed, info={"count": len(listed), "cursor": page.cursor})

    async def value(self, request: Request) -> Response:
        """Return a value."""
        entry = await self._entry(request)
        headers = {} if entry.expiration is None else {"expiration": str(entry.expiration)}
        return Response(entry.value, media_type="application/octet-stream", headers=headers)

    async def metadata(self, request: Request) -> Response:
        """Return the metadata of a key."""
        return success((await self._entry(request)).metadata)

    async def put_value(self, request: Request) -> Response:
        """Store a value, optionally with metadata."""
        namespace = await self._found(request)
        value, metadata = await _value_of(request)
        query = request.query_params
        document = {
            "key": request.path_params["key"],
            "metadata": metadata,
            "expiration": _number_of(query.get("expiration")),
            "expiration_ttl": _number_of(query.get("expiration_ttl")),
        }
        await self._kv.write(namespace.id, [_entry_of(document, value)])
        return success({})

    async def delete_value(self, request: Request) -> Response:
        """Remove a key."""
        namespace = await self._found(request)
        await self._kv.delete(namespace.id, [request.path_params["key"]])
        return success({})

    async def bulk_put(self, request: Request) -> Response:
        """Store many values."""
        namespace = await self._found(request)
        documents = await json_body(request)
        if not isinstance(documents, list) or len(documents) > BULK_WRITES_MAX:
            raise InvalidError(f"The body must be a list of at most {BULK_WRITES_MAX} entries.")
        entries = [_entry_of(document, _bulk_value(document)) for document in documents]
        await self._kv.write(namespace.id, entries)
        return success({"successful_key_count": len(entries), "unsuccessful_keys": []})

    async def bulk_get(self, request: Request) -> Response:
        """Return many values; with `withMetadata` also their metadata."""
        namespace = await self._found(request)
        document = await json_object(request)
        keys = _keys_of(document.get("keys"), BULK_READS_MAX)
        as_json = document.get("type", "text") == "json"
        if document.get("withMetadata"):
            entries = {key: await self._kv.read(namespace.id, key) for key in keys}
            return success(
                {"values": {key: _with_metadata(one, as_json) for key, one in entries.items()}}
            )
        values = await self._kv.values(namespace.id, keys)
        return success({"values": {key: _decoded(values[key], as_json) for key in keys}})

    async def bulk_delete(self, request: Request) -> Response:
        """Remove many keys."""
        namespace = await self._found(request)
        keys = _keys_of(await json_body(request), BULK_WRITES_MAX)
        await self._kv.delete(namespace.id, keys)
        return success({"successful_key_count": len(keys), "unsuccessful_keys": []})

    async def _found(self, request: Request) -> Namespace:
        namespace_id = request.path_params["namespace"]
        for one in await self._kv.namespaces():
            if one.id == namespace_id:
                return one
        raise NotFoundError("get namespace: 'namespace not found'", code=NAMESPACE_NOT_FOUND)

    async def _entry(self, request: Request) -> Entry:
        namespace = await self._found(request)
        entry = await self._kv.read(namespace.id, request.path_params["key"])
        if entry is None:
            raise NotFoundError("get: 'key not found'", code=KEY_NOT_FOUND)
        return entry

    async def _check_title(self, title: str) -> None:
        if len(title.encode()) > KEY_BYTES_MAX:
            raise InvalidError(f"title must have at most {KEY_BYTES_MAX} bytes.")
        if any(one.title == title for one in await self._kv.namespaces()):
            raise InvalidError(
                "a namespace with this account ID and title already exists", code=TITLE_TAKEN
            )


def _described(namespace: Namespace) -> dict[str, Any]:
    return {"id": namespace.id, "title": namespace.title, "supports_url_encoding": True}


async def _value_of(request: Request) -> tuple[bytes, Any]:
    """Return value and metadata of a form body; other bodies are the value."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body(), None
    async with request.form(max_part_size=VALUE_BYTES_MAX) as form:
        part, metadata = form.get("value"), form.get("metadata")
        if part is None:
            raise InvalidError("The part value is missing.")
        value = await part.read() if isinstance(part, UploadFile) else part.encode()
        text = await metadata.read() if isinstance(metadata, UploadFile) else metadata
    try:
        return value, json.loads(text) if text else None
    except ValueError as error:
        raise InvalidError("metadata is not JSON.") from error


def _number_of(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isdecimal():
        raise InvalidError("expiration and expiration_ttl must be whole numbers of seconds.")
    return int(text)


def _bulk_value(document: Any) -> bytes:  # noqa: ANN401 (any JSON)
    if not isinstance(document, dict) or not isinstance(document.get("value"), str):
        raise InvalidError("Each entry needs a value, which is a string.")
    text: str = document["value"]
    if not document.get("base64"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidError("The value is not valid base64.") from error


def _entry_of(document: Mapping[str, Any], value: bytes) -> Entry:
    key = document.get("key")
    if not isinstance(key, str) or key in ("", ".", "..") or len(key.encode()) > KEY_BYTES_MAX:
        raise InvalidError(f"A key has 1 to {KEY_BYTES_MAX} bytes, and is not . or ..")
    if len(value) > VALUE_BYTES_MAX:
        raise TooLargeError(f"A value may have at most {VALUE_BYTES_MAX} bytes.", code=BAD_REQUEST)
    metadata = document.get("metadata")
    if metadata is not None and len(json.dumps(metadata).encode()) > METADATA_BYTES_MAX:
        raise InvalidError(f"metadata may have at most {METADATA_BYTES_MAX} bytes.")
    now, expiration = int(time.time()), document.get("expiration")
    seconds = document.get("expiration_ttl")
    if seconds is not None:
        expiration = now + seconds
    if expiration is not None and expiration < now + TTL_SECONDS_MIN:
        raise InvalidError(f"A key must live for at least {TTL_SECONDS_MIN} seconds.")
    return Entry(key, value, metadata, None if expiration is None else int(expiration))


def _keys_of(document: Any, most: int) -> list[str]:  # noqa: ANN401 (any JSON)
    if (
        not isinstance(document, list)
        or len(document) > most
        or not all(isinstance(key, str) for key in document)
    ):
        raise InvalidError(f"The keys must be a list of at most {most} strings.")
    return [*dict.fromkeys(document)]


def _decoded(value: bytes | None, as_json: bool) -> Any:  # noqa: ANN401, FBT001 (any JSON)
    if value is None:
        return None
    try:
        return json.loads(value) if as_json else value.decode()
    except ValueError as error:
        raise InvalidError("A value does not have the requested type.") from error


def _with_metadata(entry: Entry | None, as_json: bool) -> dict[str, Any] | None:  # noqa: FBT001
    if entry is None:
        return None
    found = {"value": _decoded(entry.value, as_json), "metadata": entry.metadata}
    return found | ({} if entry.expiration is None else {"expiration": entry.expiration})
