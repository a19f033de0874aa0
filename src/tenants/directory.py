"""The tenant directory: who answers at which host and at which slug.

Owns the look-ups and their cache. A record is looked up in `TENANT_KV` first
(`host/HOST` holds a slug, `tenant/SLUG` the record), then in the variable
`TENANT_DIRECTORY_JSON`. Each answer is kept for at most 30 s, found or not, so
that publishing needs no redeploy. Refuses to know requests.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core import constants, keys
from core.errors import ConfigurationError, RecordRefused, StoreUnavailable
from core.logs import fields
from core.ports import Clock, KeyValueStore
from core.safe_json import read_json
from tenants.records import Directory, Tenant, parse_directory, parse_tenant

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class TenantDirectory:
    """Look-ups by host and slug, with their cache; one lives as long as an isolate.

    `store` is `TENANT_KV`, `variable` the text of `TENANT_DIRECTORY_JSON`;
    either may be missing, but not both.
    """

    clock: Clock
    store: KeyValueStore | None
    variable: str | None
    _document: Directory | None = None
    _cache: dict[str, tuple[int, Tenant | None]] = field(default_factory=dict)

    async def by_slug(self, slug: str) -> Tenant | None:
        """Find who answers at `/t/SLUG`.

        Raises `ConfigurationError` when there is no directory at all or the
        variable holds none, `StoreUnavailable` when KV fails and nothing is
        known from before.
        """
        return await self._look_up(keys.tenant(slug), self._stored_by_slug, slug)

    async def by_host(self, name: str) -> Tenant | None:
        """Find who answers at host `name`, in its normal form. Raises as `by_slug` does."""
        return await self._look_up(keys.host(name), self._stored_by_host, name)

    async def survey(self) -> Directory:
        """Read every record there is, in both places; raises as `by_slug` does.

        Hosts are not looked into: in `TENANT_KV` each is a key of its own.
        """
        document = self._read_variable()
        usable = dict(document.by_slug)
        refused = list(document.refused)
        cursor = None
        while self.store is not None:
            page = await self.store.list_page(keys.TENANT_PREFIX, cursor)
            names = [key.name for key in page.keys]
            for start in range(0, len(names), constants.KV_BULK_GET_KEYS_MAX):
                group = names[start : start + constants.KV_BULK_GET_KEYS_MAX]
                for key, value in (await self.store.get_many(group)).items():
                    try:
                        tenant = _parse_stored(key, value)
                    except RecordRefused as error:
                        refused.append(error)
                    else:
                        usable.update({tenant.slug: tenant} if tenant else {})
            cursor = page.cursor
            if cursor is None:
                break
        return Directory(usable, {}, refused)

    async def _look_up(
        self, key: str, find: Callable[[KeyValueStore, str], Awaitable[Tenant | None]], name: str
    ) -> Tenant | None:
        now_ms = self.clock.now_ms()
        known = self._cache.get(key)
        if known is not None and now_ms - known[0] < constants.DIRECTORY_CACHE_SECONDS * 1000:
            return known[1]
        tenant = None
        if self.store is not None:
            try:
                tenant = await find(self.store, name)
            except StoreUnavailable:
                # What was true half a minute ago serves people better than an error.
                if known is None:
                    raise
                tenant = known[1]
        if tenant is None:
            document = self._read_variable()
            index = document.by_slug if key.startswith(keys.TENANT_PREFIX) else document.by_host
            tenant = index.get(name)
        if len(self._cache) >= constants.DIRECTORY_CACHE_ENTRIES:
            self._cache.clear()
        self._cache[key] = (now_ms, tenant)
        return tenant

    async def _stored_by_slug(self, store: KeyValueStore, slug: str) -> Tenant | None:
        key = keys.tenant(slug)
        try:
            return _parse_stored(key, (await store.get_many([key]))[key])
        except RecordRefused as error:
            _LOGGER.warning("directory_record_refused", extra=fields(cause=str(error)))
            return None

    async def _stored_by_host(self, store: KeyValueStore, name: str) -> Tenant | None:
        key = keys.host(name)
        slug = (await store.get_many([key]))[key]
        tenant = None if slug is None else await self.by_slug(slug)
        # The record is what counts: a left-over pointer to it must not lead anywhere.
        return tenant if tenant is not None and name in tenant.hosts else None

    def _read_variable(self) -> Directory:
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


def _parse_stored(key: str, value: str | None) -> Tenant | None:
    if value is None:
        return None
    if len(value) > constants.RECORD_LENGTH_MAX:
        reason = f"it is longer than {constants.RECORD_LENGTH_MAX} characters"
        raise RecordRefused(f"TENANT_KV {key}", [reason])
    try:
        record = read_json(value)
    except ValueError as error:
        raise RecordRefused(f"TENANT_KV {key}", [f"it is no JSON: {error}"]) from error
    tenant = parse_tenant(record, f"TENANT_KV {key}")
    if keys.tenant(tenant.slug) != key:
        raise RecordRefused(f"TENANT_KV {key}", [f"its slug is {tenant.slug!r}, unlike its key"])
    return tenant
