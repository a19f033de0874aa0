"""Why the platform API is closed to a request that does offer a token, one class each.

    Unauthorized                    401 unauthorized: no token, or none that is known
    ├── TokenExpired                    401: the token was good until a while ago
    ├── ScopeMissing                    401: the token is good, for other routes
    └── TooManyFailures                 429 rate_limited: too many wrong ones before it

Owns what a caller is told about it. The contract has no 403, so a token that
opens other routes is told so in the 401's `WWW-Authenticate` and `requiredScope`.
"""

from __future__ import annotations

from errors import Unauthorized


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
