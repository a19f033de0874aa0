"""What operators see of payments: settlement events, and both sides of a day compared.

Owns these two answers of the platform API. Refuses to know who may ask.
"""

from __future__ import annotations

from collections.abc import Mapping

import keys
import limits
from checkout import resolver_of
from errors import DatabaseUnavailable, InvalidParameter, LedgerOutage
from parameters import Parameters, day_of, decode_text, encode_text, whole_number
from ports import Clock, Environment, Json, KeyValueStore
from reconciliation import compare_day
from settlements import read_settlements, shown_settlement


async def settlements(store: KeyValueStore, parameters: Parameters) -> Mapping[str, Json]:
    """Show settlement events, those of the newest payments first.

    Raises `InvalidParameter` and `StoreUnavailable`.
    """
    limit = whole_number(parameters, "limit", limits.SETTLEMENTS_DEFAULT, limits.SETTLEMENTS_MAX)
    cursor = decode_text(parameters.get("cursor"))
    page = await store.list_page(keys.SETTLEMENT_PREFIX, cursor, limit)
    events, unreadable = await read_settlements(store, [key.name for key in page.keys])
    return {
        "settlements": [shown_settlement(event) for event in events],
        "unreadable": unreadable,
        "cursor": None if page.cursor is None else encode_text(page.cursor),
    }


async def reconciliation(
    environment: Environment, clock: Clock, parameters: Parameters
) -> Mapping[str, Json]:
    """Compare the ledger and the settlement events of a UTC day, today's by default.

    Raises `InvalidParameter`, `BindingMissing`, `LedgerOutage` and `StoreUnavailable`.
    """
    today = clock.now_ms() // keys.DAY_MS
    day = day_of(parameters, "day", today)
    if day > today:
        raise InvalidParameter("day", "a day that has begun")
    resolver = resolver_of(environment, clock)
    try:
        return {"day": await compare_day(resolver.ledger, resolver.store, day)}
    except DatabaseUnavailable as error:
        raise LedgerOutage from error
