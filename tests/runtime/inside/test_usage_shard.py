"""The Durable Object of a shard, and calls to it."""

import asyncio
import gc
import json
import time
import weakref
from typing import Any

import js
import pytest
from workers import import_from_javascript

from core import constants, keys
from core.errors import ConfigurationError, ShardUnavailable
from metering.batches import Batch, encode_batch
from metering.events import Api, UsageEvent
from metering.segments import batches_of, decode_segment
from runtime.kv import RuntimeStore
from runtime.shards import RuntimeUsageShards
from runtime.usage_shard import _AlarmHandler

BRIDGE = import_from_javascript("runtime/bridge.js")

FAULTY = constants.SHARDS_MAX - 1
"""The shard that has faults (`faulty_shard.py`)."""

API = Api("tenant", "slug", "owner", "directory", 0)


def batch(writer: str, sequence: int) -> str:
    now_ms = int(js.Date.now())
    event = UsageEvent(f"{writer}-{sequence}", now_ms, API, "GET", 200, 5, "", "ok", True, 0)
    return encode_batch(Batch(writer, sequence, 0, [event]))


async def health(shards: RuntimeUsageShards, shard: int) -> Any:
    return json.loads(await shards.call(shard, "health", ""))


async def calls(shards: RuntimeUsageShards, shard: int) -> int:
    """Return the number of calls in the totals of all days."""
    read = json.loads(await shards.call(shard, "read", '{"position": 0, "parts": []}'))
    return sum(row[2][0] for _, _, _, rows in read["parts"] for row in rows)


@pytest.mark.parametrize("number", [0, 1, 17])
async def test_a_shard_knows_its_number(usage_shards: RuntimeUsageShards, number: int) -> None:
    """It is the name of the object."""
    assert (await health(usage_shards, number))["shard"] == number


async def test_a_batch_is_counted_once(usage_shards: RuntimeUsageShards) -> None:
    """Sent again, it is acknowledged again."""
    text = batch("again", 1)
    for _ in range(3):
        assert json.loads(await usage_shards.call(2, "append", text))["position"] == 1
    assert await calls(usage_shards, 2) == 1


async def test_a_batch_that_does_not_parse_is_refused(usage_shards: RuntimeUsageShards) -> None:
    """The reason is named, and the shard goes on."""
    refused = json.loads(await usage_shards.call(3, "append", '{"v":'))
    assert refused["error"] == "batch_unreadable"
    assert "does not parse" in refused["message"]
    assert json.loads(await usage_shards.call(3, "append", batch("valid", 1)))["position"] == 1


async def test_concurrent_batches_share_a_commit(usage_shards: RuntimeUsageShards) -> None:
    """64 calls at once end in few commits, none lost."""
    await usage_shards.call(4, "health", "")
    texts = [batch(f"writer-{number}", 1) for number in range(64)]
    await asyncio.gather(*(usage_shards.call(4, "append", text) for text in texts))
    assert await calls(usage_shards, 4) == 64
    assert (await health(usage_shards, 4))["sinceStart"]["commits"] <= 3


async def test_a_commit_takes_the_batches_of_many_senders(
    usage_shards: RuntimeUsageShards,
) -> None:
    """128 senders, each with one batch on its way, are counted exactly; the rate is printed."""
    until = time.monotonic() + 2

    async def send(writer: str) -> int:
        sequence = 0
        while time.monotonic() < until:
            sequence += 1
            await usage_shards.call(6, "append", batch(writer, sequence))
        return sequence

    before_ms = js.Date.now()
    sent = sum(await asyncio.gather(*(send(f"sender-{number}") for number in range(128))))
    print(f"{sent * 1000 / (js.Date.now() - before_ms):.0f} batches per second")
    assert await calls(usage_shards, 6) == sent
    assert (await health(usage_shards, 6))["sinceStart"]["commits"] < sent / 8


async def test_an_alarm_writes_the_log_to_kv(
    usage_shards: RuntimeUsageShards, store: RuntimeStore
) -> None:
    """Some seconds after a commit it is in a segment, without a further call."""
    text = batch("flushed", 1)
    await usage_shards.call(5, "append", text)
    key = keys.segment(5, 1)
    deadline = time.monotonic() + constants.FLUSH_MS / 1000 + 10
    value = None
    while value is None and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        names = (await store.list_names(key, None)).names
        value = (await store.get_many(names))[key] if names else None
    assert value is not None
    (commit,) = decode_segment(value, 5, 1)
    assert [event.request_id for one in batches_of(commit) for event in one.events] == ["flushed-1"]


async def test_the_alarm_is_that_of_the_earliest_work(usage_shards: RuntimeUsageShards) -> None:
    """Later work does not delay it, and earlier work brings it forward."""
    await usage_shards.call(FAULTY, "append", "due in 60000")
    await usage_shards.call(FAULTY, "append", "due in 200")
    await usage_shards.call(FAULTY, "append", "due in 90000")
    _, _, before = await health(usage_shards, FAULTY)
    deadline = time.monotonic() + 10
    runs = before
    while runs == before and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        _, _, runs = await health(usage_shards, FAULTY)
    assert runs == before + 1


async def test_a_failure_in_between_restarts_the_object_as_its_database_has_it(
    usage_shards: RuntimeUsageShards,
) -> None:
    """What the failed call had written is undone, and the next call finds a consistent shard."""
    rows, stored, _ = json.loads(await usage_shards.call(FAULTY, "append", "before"))
    assert rows == stored
    with pytest.raises(ShardUnavailable, match="restarts after ValueError"):
        await usage_shards.call(FAULTY, "append", "fail")
    assert (await health(usage_shards, FAULTY))[:2] == [rows, stored]
    assert json.loads(await usage_shards.call(FAULTY, "append", "after"))[:2] == [
        rows + 1,
        stored + 1,
    ]


async def test_a_failed_read_restarts_nothing(usage_shards: RuntimeUsageShards) -> None:
    """The caller gets the error, and other calls go on."""
    with pytest.raises(ShardUnavailable, match="PythonError"):
        await usage_shards.call(FAULTY, "read", "an argument")
    assert await usage_shards.call(FAULTY, "settlements", "on") == "on"


async def test_an_unknown_method_is_an_error(usage_shards: RuntimeUsageShards) -> None:
    """A reader may be newer than the shard during a deployment."""
    with pytest.raises(ShardUnavailable):
        await usage_shards.call(0, "no_such_method", "")


async def test_a_shard_that_does_not_respond_is_given_up(
    usage_shards: RuntimeUsageShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the timeout the call is an error."""
    monkeypatch.setattr(constants, "SHARD_TIMEOUT_MS", 300)
    started = time.monotonic()
    with pytest.raises(ShardUnavailable, match="300 ms"):
        await usage_shards.call(FAULTY, "events", "")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("setting", "count"), [(None, 1), ("1", 1), ("8", 8), ("64", 64)])
def test_the_setting_says_how_many_shards_there_are(setting: str | None, count: int) -> None:
    """It is 1 by default."""
    assert RuntimeUsageShards(None, setting).count == count


@pytest.mark.parametrize("setting", ["0", "65", "-1", "two", "1.5", "٣"])
def test_an_unusable_number_of_shards_is_an_error_that_names_the_setting(setting: str) -> None:
    """It is raised where the number is needed."""
    with pytest.raises(ConfigurationError, match="USAGE_SHARDS"):
        _ = RuntimeUsageShards(None, setting).count


async def test_the_runtime_keeps_no_object_alive_whose_alarm_went_off() -> None:
    class Object:
        runs = 0

        async def _run_alarm(self) -> None:
            Object.runs += 1

    objects = [Object() for _ in range(3)]
    kept = [weakref.ref(one) for one in objects]
    for one in objects:
        # As workerd calls handlers: Pyodide caches the signature of each.
        await BRIDGE.callRelaxed(_AlarmHandler(one), 1)  # type: ignore[arg-type]
    assert Object.runs == 3
    del one
    objects.clear()
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]
