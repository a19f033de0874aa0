"""The end of a run of payments: faults end, cron continues, payers get what they paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from core.calendar import DAY_MS, MINUTE_MS
from core.ports import ProxyResponse, Response
from payments.models import PaymentState
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tests.simulation import compaction
from tests.simulation.invariants import require
from tests.simulation.isolate import Invocation
from tests.simulation.kv import Temper
from tests.simulation.payments.accounts import (
    check_books,
    check_compared,
    check_run,
    check_shown,
    read_books,
    unknowable,
)
from tests.simulation.payments.faults import CALM, Faults
from tests.simulation.payments.isolate import PaidIsolate
from tests.simulation.payments.market import Market, Presented
from tests.simulation.rest import ANALYTICS, result, snapshots_in

_SETTLES_MS = 1_500_000
"""How long the last requests take: a client waits at most ten minutes for each response."""

_CRON_MS = 65_000
_RUNS_MAX = 200
_RUNS_CLOSE = 15
_RUNS_FAR_MS = 65 * MINUTE_MS
"""The interval of cron's later runs: longer than any pause between two queries."""
_PATIENCE_MS = 50_000
_RUNS_FOR_UNKNOWABLE = 20


def come_to_rest(market: Market) -> None:
    """Stop all faults, and wait for all requests in progress."""
    market.shape = replace(market.shape, cut=0.0, fuse=0)
    market.kv.temper = Temper(page_keys=market.kv.temper.page_keys)
    market.worsen(CALM)
    for isolate in market.living():
        isolate.fuse = 0
    market.loop.run(market.loop.now_ms + _SETTLES_MS)


def check_at_rest(market: Market) -> None:
    """Run cron to rest, check all records, serve what is due, and check again."""
    isolate = market.calm_isolate()
    _resolve(market, isolate)
    check_run(market)
    check_books(market, read_books(market))
    _present_what_is_due(market, isolate)
    _resolve(market, isolate)
    check_run(market)
    compaction.check_summaries(market, compaction.come_to_rest(market))
    books = read_books(market)
    check_books(market, books)
    reader = market.calm_isolate()
    invocation = Invocation(reader)
    answer = result(market, invocation, reader.ask(ANALYTICS, "?window=overall", invocation))
    require(answer is not None, "a read at rest gets no answer")
    assert answer is not None
    check_shown(books, snapshots_in(answer)[0])
    for day in sorted({row["claimed_at_ms"] // DAY_MS for row in books.rows.values()}):
        check_compared(books, _compared(market, day))


def _resolve(market: Market, isolate: PaidIsolate) -> None:
    """Run cron until it has nothing left to do."""
    rested_at_ms = market.loop.now_ms
    for turn in range(_RUNS_MAX):
        market.loop.run(market.loop.now_ms + (_CRON_MS if turn < _RUNS_CLOSE else _RUNS_FAR_MS))
        work = run(resolver_of(isolate.environment, isolate.clock), f"rest-{rested_at_ms}-{turn}")
        report = _done(market, isolate, work)
        rows = read_rows(market)
        claimed = [row for row in rows if row["state"] == PaymentState.CLAIMED.value]
        pending = [row for row in rows if row["state"] == PaymentState.PENDING.value]
        is_known = any(not unknowable(market, row, rested_at_ms) for row in pending)
        if claimed or is_known or report.reconciled or report.rewritten:
            continue
        if not any(row["reconciled_at_ms"] is None for row in rows if row["settled_at_ms"]) and (
            not pending or turn >= _RUNS_FOR_UNKNOWABLE
        ):
            return
    open_rows = [(row["payment_id"], row["state"], row["reason"]) for row in claimed + pending]
    require(condition=False, message=f"cron does not come to rest: {open_rows}")


def _present_what_is_due(market: Market, isolate: PaidIsolate) -> None:
    """Present every settled payment again to two isolates: it must be served if it was not."""
    other = market.calm_isolate()
    for row in read_rows(market):
        if row["state"] != PaymentState.SETTLED.value:
            continue
        presented = market.asked[row["request_id"]]

        async def ask_both(
            presented: Presented = presented,
        ) -> Sequence[Response | ProxyResponse | None]:
            return await asyncio.gather(
                *(market.ask(presented, _PATIENCE_MS, one) for one in (isolate, other))
            )

        # A request during a failure of the script does not lose its payment.
        market.worsen(Faults(script_fails=1.0))
        _done(market, isolate, ask_both())
        market.worsen(CALM)
        answers = _done(market, isolate, ask_both())
        relays = [answer for answer in answers if isinstance(answer, ProxyResponse)]
        due = 0 if row["served"] else 1
        require(len(relays) == due, f"{row['payment_id']}, {due} due, is answered {answers}")
        again = _done(market, isolate, market.ask(presented, _PATIENCE_MS, isolate))
        is_receipt = isinstance(again, Response) and again.status == HTTPStatus.OK
        require(is_receipt, f"{row['payment_id']} was served and is answered {again}")


def read_rows(market: Market) -> list[dict[str, Any]]:
    return market.deployment.database.rows("SELECT * FROM payments ORDER BY payment_id")


def _compared(market: Market, day: int) -> Mapping[str, Any]:
    isolate = market.calm_isolate()
    resolver = resolver_of(isolate.environment, isolate.clock)
    compared: Mapping[str, Any] = _done(
        market, isolate, compare_day(resolver.ledger, resolver.store, day)
    )
    return compared


def _done(market: Market, isolate: PaidIsolate, work: Coroutine[Any, Any, Any]) -> Any:
    return result(market, Invocation(isolate), work)
