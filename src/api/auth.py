"""Who may use which route of the platform API.

Owns the comparison of tokens and the throttling of wrong ones. The scope of a
route is in its description (`api_routes`); what is not described needs `admin`.
Refuses to know what routes answer.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest

from api.routes import ANALYTICS, PLATFORM_ROUTES
from api.tokens import (
    ADMIN,
    TOKEN_SETTING,
    TOKENS_SETTING,
    AccessToken,
    FailedAttempts,
    Tokens,
    caller_key,
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


class TokenExpired(Unauthorized):
    """The token's `notAfter` has passed."""

    def __init__(self, name: str, expired_at: str) -> None:
        """Take the token's name and when it ended; both are told only to who holds the token."""
        super().__init__(f"The token {name} expired at {expired_at}.", expiredAt=expired_at)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 6750 section 3.1: such a token is invalid."""
        return (("www-authenticate", 'Bearer realm="platform", error="invalid_token"'),)


class ScopeMissing(Unauthorized):
    """The token is good, but does not open this route."""

    def __init__(self, name: str, scope: str) -> None:
        """Take the token's name and the scope that the route asks for."""
        super().__init__(
            f"The token {name} does not open this route, which needs the scope {scope}.",
            requiredScope=scope,
        )
        self._scope = scope

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 6750 section 3.1 in all but the status, which the contract has no 403 for."""
        error = f'error="insufficient_scope", scope="{self._scope}"'
        return (("www-authenticate", f'Bearer realm="platform", {error}'),)


class TooManyFailures(Unauthorized):
    """Wrong tokens came from this caller's address until no more are looked at."""

    code = "rate_limited"
    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        """Take the seconds after which tokens from this address are looked at again."""
        super().__init__(
            "Too many wrong tokens came from this address. None is looked at for a while,"
            " right or wrong.",
            retryAfterSeconds=retry_after_seconds,
        )
        self._seconds = retry_after_seconds

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """RFC 9110 section 10.2.3: when to come again."""
        return (("retry-after", str(self._seconds)),)


PUBLIC_SETTING = "ALLOW_PUBLIC_PLATFORM_ANALYTICS"
SCOPE_OF = {path: route.scope or ADMIN for path, route in PLATFORM_ROUTES.items()}
"""The scope that each route is described with; anything else needs `admin`."""

_TOKEN_PARAMETERS = frozenset(
    ("token", "access_token", "platform_token", "x-platform-token", "authorization", "api_key")
)

_RATE_BINDING = f"RATE_{constants.AUTH_WINDOW_SECONDS}S_{constants.AUTH_FAILURES_MAX}"
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Authorizer:
    """Decides for the requests of one isolate."""

    environment: Environment
    clock: Clock
    _failures: FailedAttempts = field(default_factory=FailedAttempts)
    _read: Tokens | None = None
    _secret: bytes = b""

    @property
    def is_public(self) -> bool:
        """Whether everybody may read analytics."""
        return (self.environment.setting(PUBLIC_SETTING) or "").lower() == "true"

    async def authorize(
        self, headers: Mapping[str, str], path: str, parameters: Mapping[str, str]
    ) -> None:
        """Return if a request may use `path`; `headers` are by lower-case name.

        Raises `Unauthorized` or one of its branches.
        """
        if not _TOKEN_PARAMETERS.isdisjoint(name.lower() for name in parameters):
            raise Unauthorized(
                "Tokens are not accepted in the query string, where logs would keep them."
                " Send `Authorization: Bearer TOKEN` instead."
            )
        if path == ANALYTICS.path and self.is_public:
            return
        tokens = self._tokens.usable
        if not tokens:
            raise Unauthorized(
                f"The platform API is closed, because {TOKEN_SETTING} is not configured, and"
                f" {TOKENS_SETTING} has no token that can be used."
            )
        offered = _offered(headers)
        if not offered:
            raise _unknown()
        caller = caller_key(headers.get("cf-connecting-ip", ""), self._throttling_secret)
        now_ms = self.clock.now_ms()
        seconds = self._failures.seconds_to_wait(caller, now_ms)
        # Before any comparison: an answer that depended on the token would go on telling it.
        if seconds:
            raise TooManyFailures(seconds)
        found = _matching(tokens, offered)
        if not found:
            await self._fail(caller, now_ms)
            raise _unknown()
        _check_scope(found, SCOPE_OF.get(path, ADMIN), now_ms)

    @property
    def mistakes(self) -> Sequence[str]:
        """What is wrong with the settings, in sentences."""
        return self._tokens.mistakes

    @property
    def notices(self) -> Sequence[tuple[str, str]]:
        """What works and should be changed, as codes and sentences: tokens weak or at their end."""
        now_ms = self.clock.now_ms()
        soon_ms = now_ms + constants.TOKEN_WARNING_DAYS * DAY_MS
        ending = [
            f"The token {token.name} {'expired' if token.has_expired(now_ms) else 'expires'} at"
            f" {timestamp(token.not_after_ms)}."
            for token in self._tokens.usable
            if token.not_after_ms is not None and token.not_after_ms < soon_ms
        ]
        return [
            *(("token_weak", sentence) for sentence in self._tokens.weaknesses),
            *(("token_ends", sentence) for sentence in ending),
        ]

    def report(self) -> Mapping[str, Json]:
        """Say which tokens there are, by name, and whether analytics are public."""
        return {
            "publicAnalytics": self.is_public,
            "tokens": [
                {
                    "name": token.name,
                    "scopes": sorted(token.scopes),
                    "notAfter": None
                    if token.not_after_ms is None
                    else timestamp(token.not_after_ms),
                }
                for token in self._tokens.usable
            ],
        }

    @property
    def _tokens(self) -> Tokens:
        # Settings do not change while an isolate lives.
        if self._read is None:
            self._read = read_tokens(self.environment)
        return self._read

    @property
    def _throttling_secret(self) -> bytes:
        """A key that all isolates share, and that exists whenever there is a token to guess."""
        if not self._secret:
            digests = b"".join(token.digest for token in self._tokens.usable)
            self._secret = hashlib.sha256(b"throttling" + digests).digest()
        return self._secret

    async def _fail(self, caller: str, now_ms: int) -> None:
        """Count a wrong token here and at the location; raises `TooManyFailures` past its bound."""
        self._failures.note(caller, now_ms)
        counter = self.environment.rate_counter(_RATE_BINDING)
        if counter is None:
            return
        try:
            # No slug begins like this, so that no API's callers share the key.
            is_allowed = await counter.take(f"__platform/{caller}")
        except CounterUnavailable as error:
            _LOGGER.warning("wrong_tokens_counted_here_alone", extra=fields(cause=str(error)))
            return
        if not is_allowed:
            self._failures.bar(caller, now_ms)
            raise TooManyFailures(constants.AUTH_WINDOW_SECONDS)


def _offered(headers: Mapping[str, str]) -> Sequence[str]:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    candidates = (
        bearer.strip() if scheme.lower() == "bearer" else "",
        headers.get(PLATFORM_TOKEN_HEADER, ""),
    )
    return [candidate for candidate in candidates if candidate]


def _matching(tokens: Sequence[AccessToken], offered: Sequence[str]) -> Sequence[AccessToken]:
    """Find which tokens are offered; all are compared with all, so that time does not tell."""
    found = []
    for candidate in offered:
        offered_digest = digest(candidate)
        is_long = len(candidate) >= constants.TOKEN_LENGTH_MIN
        for token in tokens:
            is_same = compare_digest(offered_digest, token.digest)
            if is_same and (is_long or not token.is_listed):
                found.append(token)
    return found


def _check_scope(found: Sequence[AccessToken], scope: str, now_ms: int) -> None:
    """Return if one of at least one right tokens opens `scope`; raises `Unauthorized`."""
    valid = [token for token in found if not token.has_expired(now_ms)]
    if not valid:
        raise TokenExpired(found[0].name, timestamp(found[0].not_after_ms or 0))
    if not any(token.opens(scope) for token in valid):
        raise ScopeMissing(valid[0].name, scope)


def _unknown() -> Unauthorized:
    return Unauthorized(
        "The platform API needs `Authorization: Bearer TOKEN` or `x-platform-token: TOKEN`"
        f" with the token that {TOKEN_SETTING} is set to, or one of {TOKENS_SETTING}, of"
        f" {constants.TOKEN_LENGTH_MIN} characters or more."
    )
