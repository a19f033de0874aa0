"""What operators see of payments: settlement events, and both sides of a day compared.

Owns these two answers of the platform API. Refuses to know who may ask.
"""

from __future__ import annotations

from collections.abc import Mapping

import keys
from checkout import resolver_of
from cursors import encode_listing
from errors import DatabaseUnavailable, InvalidParameter, LedgerOutage
from parameters import Values
from ports import Clock, Environment, Json, KeyValueStore
from reconciliation import compare_day
from settlements import read_settlements, shown_settlement


async def settlements(store: KeyValueStore, values: Values) -> Mapping[str, Json]:
    """Show settlement events, those of the newest payments first. Raises `StoreUnavailable`."""
    page = await store.list_page(keys.SETTLEMENT_PREFIX, values["cursor"], values["limit"])
    events, unreadable = await read_settlements(store, [key.name for key in page.keys])
    return {
        "settlements": [shown_settlement(event) for event in events],
        "unreadable": unreadable,
        "cursor": None if page.cursor is None else encode_listing(page.cursor),
    }


async def reconciliation(
    environment: Environment, clock: Clock, values: Values
) -> Mapping[str, Json]:
    """Compare the ledger and the settlement events of a UTC day, today's by default.

    Raises `InvalidParameter`, `BindingMissing`, `LedgerOutage` and `StoreUnavailable`.
    """
    today = clock.now_ms() // keys.DAY_MS
    day = today if values["day"] is None else values["day"]
    if day > today:
        raise InvalidParameter("day", "a day that has begun")
    resolver = resolver_of(environment, clock)
    try:
        return {"day": await compare_day(resolver.ledger, resolver.store, day)}
    except DatabaseUnavailable as error:
        raise LedgerOutage from error
