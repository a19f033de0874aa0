"""The catalog: what records say about their APIs, read once for all isolates.

Reading a record is a KV operation that is billed, so shard 0 reads them, and isolates get what has
changed. The first line of its response is JSON: the reader's name, its revision, whether all lines
follow, and the slugs that are gone. Each further line is an entry. An entry is sent if it has
changed after the revision that the isolate has.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from core import constants, keys
from core.errors import ConfigurationError, RecordRefused, ShardUnavailable, StoreUnavailable
from core.logs import fields
from core.ports import Clock, UsageShards
from tenants.directory import TenantDirectory, parse_stored
from tenants.records import Tenant

READ_SECONDS = 20
_PAUSE_FACTOR = 20
"""How old the catalog may be before its records are read again: this time, or so many times what
reading them took. With an isolate's own cache, a change shows within half a minute."""

APIS_MAX = 20_000
"""APIs in the catalog, the first by slug: about 1 kB each in every isolate that shows the page."""

LONG_MAX = 1_000
SHORT_DESCRIPTION_LENGTH = 300
"""Of more APIs than this, the catalog has only so many characters of each description."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_LOGGER = logging.getLogger(__name__)
_PARSED_PER_STEP = 50

T = TypeVar("T")


class CatalogEntry(NamedTuple):
    """What a catalog lists of one API. Money is in micro-dollars.

    `price_micros` is the record's price, `highest_micros` the highest one of the record and its
    routes. If it `charges`, at least one request is paid for.
    """

    tenant_id: str
    slug: str
    owner: str
    directory: str
    title: str
    description: str
    tags: Sequence[str]
    methods: Sequence[str]
    price_micros: int
    highest_micros: int
    charges: bool

    @property
    def id(self) -> str:
        """The API's id in totals."""
        return f"{self.tenant_id}:{self.slug}"


def entry_of(
    tenant: Tenant, description_length_max: int = constants.DESCRIPTION_LENGTH_MAX
) -> CatalogEntry:
    """Return the entry of a record; a longer description is cut."""
    description = tenant.description
    if len(description) > description_length_max:
        description = description[: description_length_max - 1].rstrip() + "…"
    described = tenant.discovery
    methods = dict.fromkeys(
        (
            *described.methods,
            *(method for route in tenant.routes for method in route.discovery.methods),
            *(route.method for route in tenant.routes if route.method != "*"),
        )
    )
    return CatalogEntry(
        tenant.tenant_id,
        tenant.slug,
        tenant.owner,
        tenant.directory,
        described.title,
        description,
        described.tags,
        [*methods],
        tenant.price_micros,
        max([tenant.price_micros, *(route.price_micros for route in tenant.routes)]),
        bool(tenant.priced),
    )


async def _no_pause() -> None:
    pass


class CatalogReader:
    """Reads all records, and knows which of them have changed since an earlier revision.

    Only one read at a time: the caller sees to it. A record whose text is the same is not parsed
    again.
    """

    def __init__(self, clock: Clock, directory: TenantDirectory) -> None:
        """Take the directory; nothing is read yet."""
        self.clock = clock
        self.directory = directory
        self._name = ""
        self._revision = 0
        self._due_ms = 0
        # By slug, the revision in which it has changed last, and its entry as JSON.
        self._lines: Mapping[str, tuple[int, str]] = {}
        # By slug, the revision in which it was removed.
        self._removed: dict[str, int] = {}
        # By slug, the digest of a record in `TENANT_KV`, and its entry; empty if it is refused.
        self._stored: Mapping[str, tuple[bytes, str]] = {}
        # The entries of the variable, which never changes.
        self._fixed: Mapping[str, str] | None = None

    async def changes(self, text: str, pause: Callable[[], Awaitable[None]] = _no_pause) -> str:
        """Return what has changed; the module describes the form.

        Args:
            text: JSON: the name of the reader and the revision that the isolate has.
            pause: Awaited between steps of long work.

        Raises:
            ConfigurationError: There is no directory, or the variable is invalid.
            StoreUnavailable: KV failed, and nothing was read before.
        """
        await self._refresh(pause)
        name, since = json.loads(text)
        is_whole = name != self._name
        changed = [line for revision, line in self._lines.values() if is_whole or revision > since]
        removed = [
            slug for slug, revision in self._removed.items() if not is_whole and revision > since
        ]
        return "\n".join(
            [_ENCODER.encode([self._name, self._revision, is_whole, removed]), *changed]
        )

    async def _refresh(self, pause: Callable[[], Awaitable[None]]) -> None:
        started_ms = self.clock.now_ms()
        if self._name and started_ms < self._due_ms:
            return
        try:
            await self._read(pause)
        except StoreUnavailable as error:
            if not self._name:
                raise
            _LOGGER.warning("catalog_not_read", extra=fields(cause=str(error)))
        now_ms = self.clock.now_ms()
        # Reading takes at most a small part of the time, however many records there are.
        spent_ms = _PAUSE_FACTOR * (now_ms - started_ms)
        self._due_ms = now_ms + max(READ_SECONDS * 1000, spent_ms)

    async def _read(self, pause: Callable[[], Awaitable[None]]) -> None:
        if self._fixed is None:
            document = self.directory.read_variable()
            self._fixed = {
                slug: _line_of(tenant, index)
                for index, (slug, tenant) in enumerate(document.by_slug.items())
            }
        stored: dict[str, tuple[bytes, str]] = {}
        parsed = 0
        async for texts in self.directory.stored_texts():
            for key, text in texts.items():
                slug = key.removeprefix(keys.TENANT_PREFIX)
                digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest()
                known = self._stored.get(slug)
                if known is not None and known[0] == digest:
                    stored[slug] = known
                    continue
                stored[slug] = (digest, _stored_line(key, text, len(stored)))
                parsed += 1
                if parsed % _PARSED_PER_STEP == 0:
                    await pause()
        self._stored = stored
        valid = {slug: line for slug, (_, line) in stored.items() if line}
        found = {**self._fixed, **valid}
        if len(found) > APIS_MAX:
            _LOGGER.warning("catalog_truncated", extra=fields(apis=len(found)))
        self._update({slug: found[slug] for slug in sorted(found)[:APIS_MAX]})

    def _update(self, found: Mapping[str, str]) -> None:
        """Replace the entries, and note what has changed."""
        if not self._name or len(self._removed) > APIS_MAX:
            # Under a new name, every isolate gets all entries.
            self._name, self._removed = os.urandom(8).hex(), {}
        revision = self._revision + 1
        lines: dict[str, tuple[int, str]] = {}
        for slug, line in found.items():
            known = self._lines.get(slug)
            lines[slug] = known if known is not None and known[1] == line else (revision, line)
            self._removed.pop(slug, None)
        gone = self._lines.keys() - lines.keys()
        self._removed.update(dict.fromkeys(gone, revision))
        if gone or any(changed == revision for changed, _ in lines.values()):
            self._revision = revision
        self._lines = lines


def _line_of(tenant: Tenant, index: int) -> str:
    is_long = index < LONG_MAX
    short = SHORT_DESCRIPTION_LENGTH
    return _ENCODER.encode(entry_of(tenant) if is_long else entry_of(tenant, short))


def _stored_line(key: str, text: str, index: int) -> str:
    try:
        tenant = parse_stored(key, text)
    except RecordRefused:
        return ""  # The health report names it.
    return _line_of(tenant, index)


class SharedCatalog(Generic[T]):
    """The catalog as one isolate has it: by slug, what `parse` makes of each entry.

    If shard 0 does not respond, the isolate shows what it got last, or reads the records itself.
    """

    def __init__(
        self,
        clock: Clock,
        directory: TenantDirectory | None,
        shards: UsageShards | None,
        parse: Callable[[CatalogEntry], T],
    ) -> None:
        """Take the isolate's directory and shards, None for what there is not."""
        self.clock = clock
        self.directory = directory
        self.shards = shards
        self.parse = parse
        self._reader = ""
        self._revision = 0
        self._apis: Mapping[str, T] | None = None
        self._own: CatalogReader | None = None

    async def read(self) -> Mapping[str, T]:
        """Return the catalog in the order of the slugs; the same object while it is the same.

        Raises:
            ConfigurationError: There is no directory, or the variable is invalid.
            StoreUnavailable: KV failed, and nothing was read before.
        """
        known = _ENCODER.encode([self._reader, self._revision])
        if self.shards is not None:
            try:
                found = self._apply(await self.shards.call(0, "catalog", known))
            except (ShardUnavailable, ValueError) as error:
                # Another version of the software may have responded.
                _LOGGER.warning("catalog_not_shared", extra=fields(cause=str(error)))
                if self._apis is not None and self._own is None:
                    return self._apis
            else:
                self._own = None
                return found
        if self.directory is None:
            raise ConfigurationError("TENANT_KV", "Bind it to the KV namespace of the directory.")
        if self._own is None:
            self._own = CatalogReader(self.clock, self.directory)
        return self._apply(await self._own.changes(known))

    def _apply(self, response: str) -> Mapping[str, T]:
        """Apply a response. Raises `ValueError` if its form is unknown."""
        head, *lines = response.split("\n")
        try:
            reader, revision, is_whole, removed = json.loads(head)
            changed = [CatalogEntry(*json.loads(line)) for line in lines]
        except TypeError as error:
            raise ValueError(f"an entry has an invalid form: {error}") from error
        if self._apis is None or is_whole or changed or removed:
            apis = {} if is_whole else dict(self._apis or {})
            for slug in removed:
                apis.pop(slug, None)
            apis.update((entry.slug, self.parse(entry)) for entry in changed)
            self._apis = dict(sorted(apis.items()))
        self._reader, self._revision = reader, revision
        return self._apis
