"""Creators' tokens, which `clawr token create` stores in `TENANT_KV`.

The key has the token's SHA-256, so a token is found by one read and no value reveals it. An isolate
caches what it reads for `CACHED_SECONDS`: a deleted token is rejected soon, without a deployment.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hmac import compare_digest

from api.tokens import STORED_PREFIX, AccessToken, digest, stored_token
from core import constants, keys
from core.ports import Clock, KeyValueStore

CACHED_SECONDS = 20
"""How long an isolate caches a token, found or not; KV itself caches a value for some time more."""

_CACHED_TOKENS_MAX = 2_000
"""Tokens that an isolate caches; wrong ones must not fill its memory."""


@dataclass(slots=True)
class StoredTokens:
    """The tokens in `TENANT_KV`, as one isolate has read them; None is no binding."""

    store: KeyValueStore | None
    clock: Clock
    _cached: OrderedDict[bytes, tuple[int, AccessToken | None]] = field(default_factory=OrderedDict)

    async def find(self, candidate: str) -> AccessToken | None:
        """Return the token that was sent, None if it is not stored. Raises `StoreUnavailable`."""
        is_possible = candidate.startswith(STORED_PREFIX) and candidate.isascii()
        if self.store is None or not is_possible or len(candidate) > constants.TEXT_LENGTH_MAX:
            return None
        own_digest, now_ms = digest(candidate), self.clock.now_ms()
        until_ms, found = self._cached.get(own_digest, (0, None))
        # The clock may have been set back.
        if not 0 < until_ms - now_ms <= CACHED_SECONDS * 1000:
            key = keys.token(own_digest.hex())
            value = (await self.store.get_many([key]))[key]
            found = None if value is None else stored_token(value, own_digest)
            self._cached[own_digest] = (now_ms + CACHED_SECONDS * 1000, found)
            self._cached.move_to_end(own_digest)
            if len(self._cached) > _CACHED_TOKENS_MAX:
                self._cached.popitem(last=False)
        is_same = found is not None and compare_digest(found.digest, own_digest)
        return found if is_same else None
