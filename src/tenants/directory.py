"""The tenant directory: finds the tenant of a host or a slug.

A look-up reads `TENANT_KV` first (`host/HOST` holds a slug, `tenant/SLUG` the record), then
the variable `TENANT_DIRECTORY_JSON`. Results, including misses, are cached for 30 s, so
publishing an API needs no deployment.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from core import constants, keys
from core.errors import ConfigurationError, RecordRefused, StoreUnavailable
from core.kv_store import get_all
from core.logs import fields
from core.ports import Clock, KeyValueStore
from core.safe_json import read_json
from tenants.records import Directory, Tenant, parse_directory, parse_tenant

_LOGGER = logging.getLogger(__name__)
_TEXTS_PER_STEP = 300
"""Records that are read at the same time, 20 MB if all are as long as possible."""


@dataclass(slots=True)
class TenantDirectory:
    """Look-ups by host and slug, with a cache; one per isolate.

    `store` is `TENANT_KV`, `variable` the text of `TENANT_DIRECTORY_JSON`; one of them may be
    missing.
    """

    clock: Clock
    store: KeyValueStore | None
    variable: str | None
    _document: Directory | None = None
    _cache: dict[str, tuple[int, Tenant | None]] = field(default_factory=dict)

    async def by_slug(self, slug: str) -> Tenant | None:
        """Find the tenant of `/t/SLUG`.

        Raises `ConfigurationError` if there is no directory or the variable is invalid, and
        `StoreUnavailable` if KV fails and no earlier result is cached.
        """
        return await self._look_up(keys.tenant(slug), self._stored_by_slug, slug)

    async def by_host(self, name: str) -> Tenant | None:
        """Find the tenant of a host, given by its normal name. Raises as `by_slug` does."""
        return await self._look_up(keys.host(name), self._stored_by_host, name)

    async def read_all(self) -> Directory:
        """Read every record of `TENANT_KV` and the variable. Raises as `by_slug` does.

        The result has no hosts: in `TENANT_KV` each is a separate key.
        """
        document = self.read_variable()
        valid = dict(document.by_slug)
        refused = list(document.refused)
        async for texts in self.stored_texts():
            for key, text in texts.items():
                try:
                    tenant = parse_stored(key, text)
                except RecordRefused as error:
                    refused.append(error)
                else:
                    valid[tenant.slug] = tenant
        return Directory(valid, {}, refused)

    async def stored_texts(self) -> AsyncIterator[Mapping[str, str]]:
        """Yield the texts of all records in `TENANT_KV` by key, some hundred at a time.

        Raises `StoreUnavailable`.
        """
        cursor = None
        while self.store is not None:
            page = await self.store.list_names(keys.TENANT_PREFIX, cursor)
            for start in range(0, len(page.names), _TEXTS_PER_STEP):
                found = await get_all(self.store, page.names[start : start + _TEXTS_PER_STEP])
                yield {key: text for key, text in found.items() if text is not None}
            cursor = page.cursor
            if cursor is None:
                break

    async def _look_up(
        self, key: str, find: Callable[[KeyValueStore, str], Awaitable[Tenant | None]], name: str
    ) -> Tenant | None:
        now_ms = self.clock.now_ms()
        cached = self._cache.get(key)
        if cached is not None and now_ms - cached[0] < constants.DIRECTORY_CACHE_SECONDS * 1000:
            return cached[1]
        tenant = None
        if self.store is not None:
            try:
                tenant = await find(self.store, name)
            except StoreUnavailable:
                # Serve the expired entry while KV is unavailable.
                if cached is None:
                    raise
                tenant = cached[1]
        if tenant is None:
            document = self.read_variable()
            index = document.by_slug if key.startswith(keys.TENANT_PREFIX) else document.by_host
            tenant = index.get(name)
        if len(self._cache) >= constants.DIRECTORY_CACHE_ENTRIES:
            self._cache.clear()
        self._cache[key] = (now_ms, tenant)
        return tenant

    async def _stored_by_slug(self, store: KeyValueStore, slug: str) -> Tenant | None:
        key = keys.tenant(slug)
        try:
            text = (await store.get_many([key]))[key]
            return None if text is None else parse_stored(key, text)
        except RecordRefused as error:
            _LOGGER.warning("directory_record_refused", extra=fields(cause=str(error)))
            return None

    async def _stored_by_host(self, store: KeyValueStore, name: str) -> Tenant | None:
        key = keys.host(name)
        slug = (await store.get_many([key]))[key]
        tenant = None if slug is None else await self.by_slug(slug)
        # The record decides: an outdated host key must not route to the tenant.
        return tenant if tenant is not None and name in tenant.hosts else None

    def read_variable(self) -> Directory:
        """Return the records of the variable.

        Raises `ConfigurationError` if it is invalid, or if there is no directory at all.
        """
        if self._document is None:
            if self.variable is not None:
                self._document = parse_directory(self.variable)
            elif self.store is not None:
                self._document = Directory({}, {}, ())
            else:
                raise ConfigurationError(
                    "TENANT_DIRECTORY_JSON",
                    "Set it to a tenant directory, or bind the KV namespace TENANT_KV.",
                )
            for error in self._document.refused:
                _LOGGER.warning("directory_record_refused", extra=fields(cause=str(error)))
        return self._document


def parse_stored(key: str, value: str) -> Tenant:
    """Parse the record that `TENANT_KV` has under a key. Raises `RecordRefused`."""
    if len(value) > constants.RECORD_LENGTH_MAX:
        reason = f"it is longer than {constants.RECORD_LENGTH_MAX} characters"
        raise RecordRefused(f"TENANT_KV {key}", [reason])
    try:
        record = read_json(value, is_finite=False)
    except ValueError as error:
        raise RecordRefused(f"TENANT_KV {key}", [f"it is no JSON: {error}"]) from error
    tenant = parse_tenant(record, f"TENANT_KV {key}")
    if keys.tenant(tenant.slug) != key:
        raise RecordRefused(f"TENANT_KV {key}", [f"its slug is {tenant.slug!r}, unlike its key"])
    return tenant
