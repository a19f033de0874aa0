"""Concurrent requests never see each other's data."""

import asyncio
import hashlib
from collections import Counter

import httpx

from .caller import Caller
from .marketplace import NEIGHBOURS

REQUESTS = 480
CONCURRENCY = 32


async def call(client: httpx.AsyncClient, number: int, slots: asyncio.Semaphore) -> str:
    """Send request `number`, check that the response belongs to it, and return its id."""
    slug = NEIGHBOURS[number % len(NEIGHBOURS)]
    body = f"body of {number} ".encode() * (number % 50)
    headers = {"x-agent-id": f"agent-{number}", "x-number": str(number)}
    path = f"/{number}?number={number}"
    if number % 2:
        headers["host"] = f"{slug}.e2e.example"
    else:
        path = f"/t/{slug}{path}"
    async with slots:
        response = await client.post(path, headers=headers, content=body)
    seen = response.json()["request"]
    assert (seen["path"], seen["query"]) == (f"/{number}", f"number={number}")
    assert dict(seen["headers"])["x-number"] == str(number)
    assert seen["body"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert response.headers["x-tenant-id"] == f"ten_{slug}"
    return response.headers["x-request-id"]


def test_each_response_belongs_to_its_request_and_counts_for_its_tenant(
    caller: Caller,
) -> None:
    async def all_at_once() -> list[str]:
        slots = asyncio.Semaphore(CONCURRENCY)
        async with httpx.AsyncClient(base_url=caller.url, timeout=60) as client:
            return await asyncio.gather(*(call(client, n, slots) for n in range(REQUESTS)))

    request_ids = asyncio.run(all_at_once())
    assert len(set(request_ids)) == REQUESTS
    caller.wait_until_logged()
    each = REQUESTS // len(NEIGHBOURS)
    for slug in NEIGHBOURS:
        row = caller.api(slug)
        assert row is not None
        assert (row["calls"], row["uniqueCallers"]) == (each, each)
    events = [event for slug in NEIGHBOURS for event in caller.events(slug)]
    assert Counter(event["requestId"] for event in events) == Counter(request_ids)
