"""How the dispatcher authenticates to a facilitator.

`forms` reads an `auth` of the setting `FACILITATORS`; `coinbase` signs a token for each request.
Both are imported when they are first needed, because many deployments need neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

CALLS = ("verify", "settle", "supported")
"""The calls of a facilitator that the dispatcher makes, as `createAuthHeaders` names them."""

Headers: TypeAlias = Mapping[str, tuple[str, str]]
"""For each header, in lower case, the text before the secret, and the secret's setting."""

CoinbaseKey: TypeAlias = tuple[str, str]
"""The settings with the id and the secret of an API key of Coinbase."""

Credentials: TypeAlias = tuple[Mapping[str, Headers], CoinbaseKey | None]
"""The headers of each call, and the key that signs tokens."""
