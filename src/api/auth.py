"""Authorization of platform API requests: tokens, scopes, and throttling of wrong tokens.

`routes` has the scope of each route; a path that it does not have requires `admin`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING

from api.routes import ANALYTICS, PLATFORM_ROUTES
from api.throttling import FailedAttempts, caller_key
from api.tokens import (
    ADMIN,
    STORED_PREFIX,
    TOKEN_SETTING,
    TOKENS_SETTING,
    AccessToken,
    Tokens,
    digest,
    read_tokens,
)
from core import constants
from core.calendar import DAY_MS, timestamp
from core.errors import Unauthorized
from core.logs import fields
from core.ports import Clock, Environment, Json
from core.quotas import CounterUnavailable
from core.responses import PLATFORM_TOKEN_HEADER

if TYPE_CHECKING:
    from api.limited.stored_tokens import StoredTokens

PUBLIC_SETTING = "ALLOW_PUBLIC_PLATFORM_ANALYTICS"
SCOPE_OF = {path: route.scope or ADMIN for path, route in PLATFORM_ROUTES.items()}
"""The scope that each path requires; any other path requires `admin`."""

_TOKEN_PARAMETERS = frozenset(
    ("token", "access_token", "platform_token", "x-platform-token", "authorization", "api_key")
)
_RATE_BINDING = f"RATE_{constants.AUTH_WINDOW_SECONDS}S_{constants.AUTH_FAILURES_MAX}"
_LOGGER = logging.getLogger(__name__)


class TokenExpired(Unauthorized):
    """The token's `notAfter` has passed."""

    def __init__(self, name: str, expired_at: str) -> None:
        """Take the token's name and when it expired, which are shown to the token's holder only."""
        super().__init__(f"The token {name} expired at {expired_at}.", expiredAt=expired_at)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 6750 section 3.1: an expired token is an invalid token."""
        return (("www-authenticate", 'Bearer realm="platform", error="invalid_token"'),)


class ScopeMissing(Unauthorized):
    """The token is valid, but does not have the scope that the route requires."""

    def __init__(self, name: str, scope: str) -> None:
        """Take the token's name and the required scope."""
        super().__init__(
            f"The token {name} does not have the scope {scope}, which this route requires.",
            requiredScope=scope,
        )
        self._scope = scope

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 6750 section 3.1, except that the status is 401: this API does not use 403."""
        error = f'error="insufficient_scope", scope="{self._scope}"'
        return (("www-authenticate", f'Bearer realm="platform", {error}'),)


class TenantsOnly(Unauthorized):
    """The token is limited to certain tenants, and the route concerns all."""

    def __init__(self, name: str) -> None:
        """Take the token's name."""
        super().__init__(
            f"The token {name} is limited to certain tenants, and this route concerns all tenants."
        )

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 6750 section 3.1, as for a missing scope."""
        return (("www-authenticate", 'Bearer realm="platform", error="insufficient_scope"'),)


class TooManyFailures(Unauthorized):
    """This caller's address sent too many wrong tokens; its tokens are not compared now."""

    code = "rate_limited"
    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        """Take the seconds after which tokens from this address are compared again."""
        super().__init__(
            f"Too many wrong tokens came from this address. For {retry_after_seconds} s no token"
            " from it is accepted, not even a correct one.",
            retryAfterSeconds=retry_after_seconds,
        )
        self._seconds = retry_after_seconds

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 10.2.3: when to try again."""
        return (("retry-after", str(self._seconds)),)


@dataclass(slots=True)
class Authorizer:
    """Authorizes the platform requests of one isolate."""

    environment: Environment
    clock: Clock
    _failures: FailedAttempts = field(default_factory=FailedAttempts)
    _cached_tokens: Tokens | None = None
    _cached_secret: bytes = b""
    _stored: StoredTokens | None = None

    @property
    def is_public(self) -> bool:
        """Whether analytics need no token."""
        return (self.environment.setting(PUBLIC_SETTING) or "").lower() == "true"

    async def authorize(
        self, headers: Mapping[str, str], path: str, parameters: Mapping[str, str]
    ) -> frozenset[str] | None:
        """Return the tenants that a request to `path` may see if it is authorized; None for all.

        `headers` are by lower-case name, `parameters` those of the query. Raises `Unauthorized` or
        one of its subclasses, and `StoreUnavailable` if `TENANT_KV` fails.
        """
        if not _TOKEN_PARAMETERS.isdisjoint(name.lower() for name in parameters):
            raise Unauthorized(
                "Tokens are not accepted in the query string, because URLs are logged."
                " Send `Authorization: Bearer TOKEN` instead."
            )
        tokens, candidates = self._tokens.usable, _candidates(headers)
        if path == ANALYTICS.path and self.is_public:
            matching = await self._matching(candidates)
            return next((token.tenants for token in matching if token.tenants is not None), None)
        if not tokens and not any(map(self._is_stored, candidates)):
            raise Unauthorized(
                f"The platform API is closed, because {TOKEN_SETTING} is not configured and"
                f" {TOKENS_SETTING} has no usable token. Set one of them as a secret of the Worker;"
                " docs/reference/settings.md says how."
            )
        if not candidates:
            raise _unauthorized()
        caller = caller_key(headers.get("cf-connecting-ip", ""), self._throttling_secret)
        now_ms = self.clock.now_ms()
        seconds = self._failures.seconds_to_wait(caller, now_ms)
        # Before any comparison: otherwise the response still shows whether a token is correct.
        if seconds:
            raise TooManyFailures(seconds)
        matching = await self._matching(candidates)
        if not matching:
            await self._record_failure(caller, now_ms)
            raise _unauthorized()
        token = _allowed(matching, SCOPE_OF.get(path, ADMIN), now_ms)
        if token.tenants is not None and not PLATFORM_ROUTES[path].is_by_tenant:
            raise TenantsOnly(token.name)
        return token.tenants

    async def _matching(self, candidates: Sequence[str]) -> Sequence[AccessToken]:
        """Return the tokens that were sent. Raises `StoreUnavailable`."""
        matching = _matching(self._tokens.usable, candidates)
        if matching:
            return matching
        found = [await self._stored_tokens.find(one) for one in candidates if self._is_stored(one)]
        return [token for token in found if token is not None]

    def _is_stored(self, candidate: str) -> bool:
        """Return whether a token may be in `TENANT_KV`."""
        return self.environment.tenant_store is not None and candidate.startswith(STORED_PREFIX)

    @property
    def _stored_tokens(self) -> StoredTokens:
        if self._stored is None:
            from api.limited.stored_tokens import StoredTokens  # noqa: PLC0415 (few need it)

            self._stored = StoredTokens(self.environment.tenant_store, self.clock)
        return self._stored

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the settings, in sentences."""
        return self._tokens.problems

    @property
    def notices(self) -> Sequence[tuple[str, str]]:
        """Codes and sentences about usable tokens that are weak, have expired, or expire soon."""
        now_ms = self.clock.now_ms()
        soon_ms = now_ms + constants.TOKEN_WARNING_DAYS * DAY_MS
        expiring = [
            f"The token {token.name} {'expired' if token.has_expired(now_ms) else 'expires'} at"
            f" {timestamp(token.not_after_ms)}."
            for token in self._tokens.usable
            if token.not_after_ms is not None and token.not_after_ms < soon_ms
        ]
        return [
            *(("token_weak", sentence) for sentence in self._tokens.weaknesses),
            *(("token_ends", sentence) for sentence in expiring),
        ]

    def report(self) -> Mapping[str, Json]:
        """Return the tokens' names, scopes and ends, and whether analytics are public."""
        return {
            "publicAnalytics": self.is_public,
            "tokens": [
                {
                    "name": token.name,
                    "scopes": sorted(token.scopes),
                    "tenants": None if token.tenants is None else sorted(token.tenants),
                    "notAfter": None
                    if token.not_after_ms is None
                    else timestamp(token.not_after_ms),
                }
                for token in self._tokens.usable
            ],
        }

    @property
    def _tokens(self) -> Tokens:
        # Settings cannot change during an isolate's lifetime.
        if self._cached_tokens is None:
            self._cached_tokens = read_tokens(self.environment)
        return self._cached_tokens

    @property
    def _throttling_secret(self) -> bytes:
        """A hash key that is the same in all isolates and needs no further setting."""
        if not self._cached_secret:
            digests = b"".join(token.digest for token in self._tokens.usable)
            self._cached_secret = hashlib.sha256(b"throttling" + digests).digest()
        return self._cached_secret

    async def _record_failure(self, caller: str, now_ms: int) -> None:
        """Count a wrong token in this isolate, and in the rate-limit binding of its location.

        Raises `TooManyFailures` when the binding's limit is reached.
        """
        self._failures.add(caller, now_ms)
        counter = self.environment.rate_counter(_RATE_BINDING)
        if counter is None:
            return
        try:
            # No slug begins like this, so no API's rate limit shares the key.
            is_allowed = await counter.take(f"__platform/{caller}")
        except CounterUnavailable as error:
            _LOGGER.warning("failed_attempts_counted_locally", extra=fields(cause=str(error)))
            return
        if not is_allowed:
            self._failures.block(caller, now_ms)
            raise TooManyFailures(constants.AUTH_WINDOW_SECONDS)


def _candidates(headers: Mapping[str, str]) -> Sequence[str]:
    """Return the tokens that a request carries, at most two."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    candidates = (
        bearer.strip() if scheme.lower() == "bearer" else "",
        headers.get(PLATFORM_TOKEN_HEADER, ""),
    )
    return [candidate for candidate in candidates if candidate]


def _matching(tokens: Sequence[AccessToken], candidates: Sequence[str]) -> Sequence[AccessToken]:
    """Return the tokens that were sent. Compares all pairs, so its duration depends on none."""
    matching = []
    for candidate in candidates:
        candidate_digest = digest(candidate)
        is_long = len(candidate) >= constants.TOKEN_LENGTH_MIN
        for token in tokens:
            is_same = compare_digest(candidate_digest, token.digest)
            if is_same and (is_long or not token.is_listed):
                matching.append(token)
    return matching


def _allowed(matching: Sequence[AccessToken], scope: str, now_ms: int) -> AccessToken:
    """Return the token of `matching`, at least one, that is valid for `scope`.

    Of two, the one that is limited to tenants counts. Raises `Unauthorized`.
    """
    valid = [token for token in matching if not token.has_expired(now_ms)]
    if not valid:
        raise TokenExpired(matching[0].name, timestamp(matching[0].not_after_ms or 0))
    allowed = [token for token in valid if token.allows(scope)]
    if not allowed:
        raise ScopeMissing(valid[0].name, scope)
    return min(allowed, key=lambda token: token.tenants is None)


def _unauthorized() -> Unauthorized:
    return Unauthorized(
        "The platform API needs `Authorization: Bearer TOKEN` or `x-platform-token: TOKEN`,"
        f" where TOKEN is the value of {TOKEN_SETTING} or a token of {TOKENS_SETTING} with"
        f" at least {constants.TOKEN_LENGTH_MIN} characters. The operator of the dispatcher has it;"
        " `make dev` prints it when it starts."
    )
