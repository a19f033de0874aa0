"""The end of a run of payments: faults end, cron continues, payers get what they paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from core.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from core.ports import ProxyResponse, Response
from payments.models import PaymentState
from payments.payload import read_payment
from payments.reconciliation import compare_day, run
from payments.resolution import resolver_of
from tests.simulation.invariants import check_shards, require
from tests.simulation.isolate import Invocation
from tests.simulation.payments.faults import NO_FAULTS, Faults
from tests.simulation.payments.invariants import (
    check_reconciliation,
    check_records,
    check_run,
    check_shown,
    is_unprovable,
    read_records,
)
from tests.simulation.payments.isolate import PaidIsolate
from tests.simulation.payments.world import PaymentWorld, SentRequest
from tests.simulation.reading import ANALYTICS, ask, snapshots_in
from tests.simulation.world import end_faults

_SETTLES_MS = 1_500_000
"""How long the last requests take: a client waits at most ten minutes for each response."""

_CRON_MS = 65_000
_RUNS_MAX = 200
_RUNS_CLOSE = 15
_RUNS_FAR_MS = 65 * MINUTE_MS
"""The interval of cron's later runs: longer than any pause between two queries."""
_PATIENCE_MS = 50_000
_FLUSHED_MS = 2 * HOUR_MS
"""How long shards take to flush and fold everything."""

_WORK_MS = 120_000
"""How long any work at rest takes at most."""
_RUNS_FOR_UNKNOWABLE = 20


def come_to_rest(world: PaymentWorld) -> None:
    """Stop all faults, and wait for all requests in progress."""
    end_faults(world)
    world.set_faults(NO_FAULTS)
    world.loop.run(world.loop.now_ms + _SETTLES_MS)


def check_at_rest(world: PaymentWorld) -> None:
    """Run cron to rest, check all records, serve what is due, and check again."""
    isolate = world.reliable_isolate()
    _resolve(world, isolate)
    check_run(world)
    check_records(world, read_records(world))
    _serve_settled(world, isolate)
    _resolve(world, isolate)
    check_run(world)
    world.loop.run(world.loop.now_ms + _FLUSHED_MS)
    check_shards(world)
    records = read_records(world)
    check_records(world, records)
    reader = world.reliable_isolate()
    response = _done(world, reader, ask(reader, ANALYTICS, "?window=overall"))
    require(response is not None, "a read at rest gets no response")
    assert response is not None
    check_shown(records, snapshots_in(response)[0])
    for day in sorted({row["claimed_at_ms"] // DAY_MS for row in records.rows.values()}):
        check_reconciliation(records, _compared(world, day))


def _resolve(world: PaymentWorld, isolate: PaidIsolate) -> None:
    """Run cron until it has nothing left to do."""
    rested_at_ms = world.loop.now_ms
    for turn in range(_RUNS_MAX):
        world.loop.run(world.loop.now_ms + (_CRON_MS if turn < _RUNS_CLOSE else _RUNS_FAR_MS))
        work = run(resolver_of(isolate.environment, isolate.clock))
        report = _done(world, isolate, work)
        rows = world.payment_rows()
        claimed = [row for row in rows if row["state"] == PaymentState.CLAIMED.value]
        pending = [row for row in rows if row["state"] == PaymentState.PENDING.value]
        is_known = any(not is_unprovable(world, row, rested_at_ms) for row in pending)
        if claimed or is_known or report.acknowledged or report.failed:
            continue
        if not any(row["reconciled_at_ms"] is None for row in rows if row["settled_at_ms"]) and (
            not pending or turn >= _RUNS_FOR_UNKNOWABLE
        ):
            return
    open_rows = [(row["payment_id"], row["state"], row["reason"]) for row in claimed + pending]
    require(condition=False, message=f"cron does not come to rest: {open_rows}")


def _serve_settled(world: PaymentWorld, isolate: PaidIsolate) -> None:
    """Present every settled payment again to two isolates: it must be served if it was not."""
    other = world.reliable_isolate()
    for row in world.payment_rows():
        if row["state"] != PaymentState.SETTLED.value:
            continue
        resource = world.requests[row["request_id"]].resource
        # Another request may have the same identifier or nonce, but not what was signed.
        sent = next(
            one
            for one in world.requests.values()
            if one.name == (row["payer"], row["nonce"])
            and one.resource == resource
            and _digest(one) == row["proof_digest"]
        )

        async def send_both(
            sent: SentRequest = sent,
        ) -> Sequence[Response | ProxyResponse | None]:
            return await asyncio.gather(
                *(world.send(sent, _PATIENCE_MS, one) for one in (isolate, other))
            )

        # A request during a failure of the script does not lose its payment.
        world.set_faults(Faults(script_fails=1.0))
        _done(world, isolate, send_both())
        world.set_faults(NO_FAULTS)
        responses = _done(world, isolate, send_both())
        # The responses are sent before that is recorded.
        world.loop.run(world.loop.now_ms + _WORK_MS)
        proxied = [response for response in responses if isinstance(response, ProxyResponse)]
        expected = 0 if row["served"] else 1
        require(
            len(proxied) == expected,
            f"{row['payment_id']}, {expected} due, gets {responses}",
        )
        again = _done(world, isolate, world.send(sent, _PATIENCE_MS, isolate))
        is_receipt = isinstance(again, Response) and again.status == HTTPStatus.OK
        require(is_receipt, f"{row['payment_id']} was served and gets {again}")


def _digest(sent: SentRequest) -> str:
    payload = read_payment(sent.headers)
    assert payload is not None
    return payload.digest


def _compared(world: PaymentWorld, day: int) -> Mapping[str, Any]:
    isolate = world.reliable_isolate()
    resolver = resolver_of(isolate.environment, isolate.clock)
    compared: Mapping[str, Any] = _done(
        world, isolate, compare_day(resolver.ledger, resolver.archive, resolver.shards, day)
    )
    return compared


def _done(world: PaymentWorld, isolate: PaidIsolate, work: Coroutine[Any, Any, Any]) -> Any:
    """Run work in an isolate until it ends, and return its result."""
    results: list[Any] = []

    async def note() -> None:
        results.append(await work)

    Invocation(isolate).run(note())
    world.loop.run(world.loop.now_ms + _WORK_MS)
    require(results, "work at rest has no result")
    return results[0]
