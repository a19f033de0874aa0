"""A shard keeps what it acknowledged when its process ends, also by `kill -9`."""

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from core import constants
from metering.batches import Batch, encode_batch
from metering.events import Api, UsageEvent
from metering.segments import Commit, batches_of
from tests.runtime.harness import InsideWorker

API = Api("tenant", "slug", "owner", "directory", 0)
SENDERS = 32
KILLS = 1


class Senders:
    """Sends batches of one event to shard 0, 32 at a time, each under a name of its own.

    Attributes:
        sent: The batches that were sent at least once, by name.
        acknowledged: The names of those that were acknowledged.
    """

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self._numbers = count(1)

    async def run(self, url: str, seconds: float) -> None:
        """Send for some seconds, or until the Worker does not respond."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            await asyncio.gather(*(self._send(client, deadline) for _ in range(SENDERS)))

    async def send_again(self, url: str) -> None:
        """Send everything again."""
        names = iter([*self.sent])
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            await asyncio.gather(*(self._repeat(client, names) for _ in range(SENDERS)))

    async def _send(self, client: httpx.AsyncClient, deadline: float) -> None:
        while time.monotonic() < deadline:
            name = f"writer-{next(self._numbers)}"
            event = UsageEvent(name, int(time.time() * 1000), API, "GET", 200, 5, "", "ok", True, 0)
            self.sent[name] = encode_batch(Batch(name, 1, 0, [event]))
            try:
                await self._append(client, name)
            except httpx.TransportError:
                return

    async def _repeat(self, client: httpx.AsyncClient, names: Iterator[str]) -> None:
        for name in names:
            await self._append(client, name)

    async def _append(self, client: httpx.AsyncClient, name: str) -> None:
        response = await client.post("/shard/0/append", content=self.sent[name])
        if response.status_code == 200 and "position" in response.json():
            self.acknowledged.add(name)


def call(worker: InsideWorker, method: str, argument: str = "") -> Any:
    """Call shard 0."""
    response = httpx.post(f"{worker.url}/shard/0/{method}", content=argument, timeout=30)
    return response.raise_for_status().json()


def counted(worker: InsideWorker) -> int:
    """Return the number of calls in the totals."""
    read = call(worker, "read", '{"position": 0, "parts": []}')
    return sum(row[2][0] for _, _, _, rows in read["parts"] for row in rows)


def recorded(worker: InsideWorker) -> list[str]:
    """Return the names of the events in the log that are not only in KV."""
    found = call(worker, "events", json.dumps({"before": 1 << 50, "limit": 1_000_000}))
    assert found["segments"] == []
    commits = [Commit(*commit) for commit in found["commits"]]
    return [
        event.request_id
        for commit in commits
        for batch in batches_of(commit)
        for event in batch.events
    ]


def test_what_a_shard_acknowledged_is_counted_once_after_a_kill(tmp_path: Path) -> None:
    """Killed under load and started again, it has each acknowledged batch, and none twice.

    Its alarm goes off again without a call, and batches that are sent again count once.
    """
    senders = Senders()
    for _ in range(KILLS):
        worker = InsideWorker(state=tmp_path)
        asyncio.run(_kill_under_load(worker, senders))
    with InsideWorker(state=tmp_path) as worker:
        before = recorded(worker)
        assert len(before) == len(set(before)) == counted(worker)
        assert senders.acknowledged <= set(before) <= senders.sent.keys()
        time.sleep(2 + constants.FLUSH_MS / 1000)
        health = call(worker, "health")
        assert 0 < health["flushed"] == health["acknowledged"]
        asyncio.run(senders.send_again(worker.url))
        assert senders.acknowledged == senders.sent.keys()
        assert counted(worker) == len(senders.sent)


async def _kill_under_load(worker: InsideWorker, senders: Senders) -> None:
    sending = asyncio.create_task(senders.run(worker.url, 60))
    await asyncio.sleep(3)
    await asyncio.to_thread(worker.kill)
    await sending
