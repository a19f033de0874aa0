"""Payments whose responses were sent are published together, and none of them waits forever."""

from __future__ import annotations

import asyncio

from core import constants
from core.ports import ProxyResponse
from tests.support.fakes import FakeRequest
from tests.support.payment_scene import Market


class Shop:
    """A deployment with signed payments, which serves without running background work."""

    def __init__(self, payments: int) -> None:
        self.market = Market()
        self._headers = [self.market.payment(number) for number in range(1, payments + 1)]
        self.market.shards.calls.clear()

    async def serve(self) -> None:
        """Serve the next paid request."""
        request = FakeRequest("http://h.example/t/paid/x", "GET", self._headers.pop(0))
        self.market.namespace.response = self.market.reply
        response = await self.market.dispatcher.handle(request, self.market.background)
        assert isinstance(response, ProxyResponse)

    @property
    def recorded(self) -> list[tuple[int, bool]]:
        """For each payment, whether it was served, and whether its shard acknowledged it."""
        rows = self.market.payments
        return [(row["served"], row["reconciled_at_ms"] is not None) for row in rows]


def test_payments_that_wait_are_published_by_one_call() -> None:
    shop = Shop(3)
    for _ in range(3):
        asyncio.run(shop.serve())
    assert shop.recorded == [(0, False)] * 3
    asyncio.run(shop.market.background.finish())
    assert shop.recorded == [(1, True)] * 3
    assert shop.market.shards.calls == [(0, "append")]
    assert len(shop.market.settlements) == 3


def test_payments_that_arrive_meanwhile_follow() -> None:
    shop = Shop(2)
    call = shop.market.shards.call
    arriving = iter((1,))

    async def called(shard: int, method: str, text: str) -> str:
        for _ in arriving:
            await shop.serve()
        return await call(shard, method, text)

    setattr(shop.market.shards, "call", called)  # noqa: B010 (a method)
    asyncio.run(shop.serve())
    asyncio.run(shop.market.background.finish())
    assert shop.recorded == [(1, True)] * 2
    assert shop.market.shards.calls == [(0, "append")] * 2


def test_if_whoever_publishes_dies_the_next_payment_publishes_all() -> None:
    shop = Shop(3)
    asyncio.run(shop.serve())
    shop.market.background.work.pop().close()
    asyncio.run(shop.serve())
    assert not shop.market.background.work
    shop.market.clock.at_ms += 2 * constants.SHARD_TIMEOUT_MS
    asyncio.run(shop.serve())
    asyncio.run(shop.market.background.finish())
    assert shop.recorded == [(1, True)] * 3


def test_without_their_shard_payments_are_served_and_sent_by_cron() -> None:
    shop = Shop(2)
    shop.market.shards.unavailable.add(0)
    for _ in range(2):
        asyncio.run(shop.serve())
    asyncio.run(shop.market.background.finish())
    assert shop.recorded == [(1, False)] * 2
    shop.market.shards.unavailable.clear()
    shop.market.run_cron(2)
    assert shop.recorded == [(1, True)] * 2
    assert len(shop.market.settlements) == 2
