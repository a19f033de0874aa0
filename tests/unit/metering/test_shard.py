"""A shard answers recorders, readers and operators."""

from __future__ import annotations

import json
import logging

import pytest

from core import constants
from core.calendar import DAY_MS
from core.errors import StoreUnavailable
from metering.batches import IMPORTED, Batch, encode_batch
from metering.totals import Totals, decode_apis
from tests.support.builders import SETTLEMENT, event, numbered
from tests.support.shard_scene import TODAY, ShardScene, run, some_events, text_of


@pytest.fixture
def scene() -> ShardScene:
    return ShardScene()


# append


def test_an_acknowledgment_has_a_position_as_of_which_reads_have_the_batch(
    scene: ShardScene,
) -> None:
    for sequence in range(1, 5):
        (response,) = scene.append(numbered(sequence))
        found = scene.call("read", position=0, parts=[])
        assert found["position"] >= response["position"] == sequence
        aggregate = decode_apis(found["parts"][0][3]).popitem()[1]
        assert aggregate.calls == sequence


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "batch_unreadable"),
        ("x" * 1_000_001, "batch_unreadable"),
        (encode_batch(numbered(1)).replace('"v":3', '"v":4'), "batch_version_unknown"),
    ],
)
def test_a_refused_batch_is_reported_counted_and_blocks_nothing(
    scene: ShardScene, caplog: pytest.LogCaptureFixture, text: str, code: str
) -> None:
    with caplog.at_level(logging.WARNING):
        refused, accepted = scene.append_texts(text, encode_batch(numbered(1)))
    assert refused["error"] == code
    assert refused["message"]
    assert accepted["position"] == 1
    assert "batch_refused" in caplog.text
    assert scene.call("health")["sinceStart"]["refusedBatches"] == 1


def test_several_batches_of_one_call_share_a_commit_and_are_acknowledged_in_order(
    scene: ShardScene,
) -> None:
    payment = encode_batch(Batch("", 0, 0, (event(),), SETTLEMENT))
    texts = (payment, "x", payment, encode_batch(numbered(1)))
    lines = run(scene.shard.append("\n".join(texts))).split("\n")
    first, refused, repeated, last = map(json.loads, lines)
    assert first["position"] == repeated["position"] == last["position"] == 1
    assert refused["error"] == "batch_unreadable"
    assert scene.call("health")["sinceStart"]["commits"] == 1


def test_imports_pause_while_too_many_old_days_are_in_memory(
    scene: ShardScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "LATE_APIS_MAX", 3)
    days = [Batch(IMPORTED, 0, 0, some_events(TODAY - ago, 2, 10 * ago)) for ago in range(1, 12)]
    for batch in days:
        while True:
            try:
                scene.append(batch)
                break
            except StoreUnavailable:
                assert (scene.shard.due_ms() or 0) <= scene.clock.at_ms
                scene.run()
    assert len(scene.folder.all_parts()) <= 8
    scene.advance(DAY_MS)
    assert scene.folder.all_parts() == []
    assert scene.overall() == scene.expected(*(one for batch in days for one in batch.events))


# read


def test_a_reader_that_asks_for_changes_has_the_same_as_a_new_one(scene: ShardScene) -> None:
    copy: dict[tuple[int, int], Totals] = {}
    position = 0
    for step in range(30):
        scene.add_days(scene.clock.at_ms // DAY_MS - step % 4, count=2)
        scene.advance(7_200_000)
        if step % 5 == 0:
            scene.restart()
        changes = scene.call("read", position=position, parts=[list(name) for name in copy])
        position = changes["position"]
        found = {}
        for day, number, header, rows in changes["parts"]:
            known = copy.get((day, number), Totals())
            found[day, number] = Totals.decode(header, {**known.apis, **decode_apis(rows)})
        copy = found
        whole = scene.call("read", position=0, parts=[])
        assert {name: text_of(totals) for name, totals in copy.items()} == {
            (day, number): text_of(Totals.decode(header, decode_apis(rows)))
            for day, number, header, rows in whole["parts"]
        }


def test_a_read_lists_the_rollups_that_a_reader_near_midnight_needs(scene: ShardScene) -> None:
    for _ in range(9):
        scene.add_days(scene.clock.at_ms // DAY_MS)
        scene.advance(DAY_MS)
    scene.add_days(TODAY)
    today = scene.clock.at_ms // DAY_MS
    found = scene.call("read", position=0, parts=[])["manifest"]["rollups"]
    assert {int(day) for day in found} == {TODAY, *range(today - 7, today)}


# events and settlements


@pytest.mark.parametrize("state", ["committed", "flushed", "stored", "half"])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_pages_of_events_have_each_event_once_newest_first(
    scene: ShardScene, state: str, limit: int
) -> None:
    for sequence in range(1, 40):
        scene.append(numbered(sequence, *([] if sequence % 3 else [event(), event(api=None)])))
        if sequence % 5 == 0 and state != "committed":
            run(scene.log.flush())
        if sequence == 17 and state == "half":
            scene.log.checkpoint()
    if state == "stored":
        scene.log.checkpoint()
    found: list[int] = []
    before = 1 << 50
    while True:
        page = scene.call("events", before=before, limit=limit)
        segments = [position for first, last, _ in page["segments"] for position in (last, first)]
        positions = [position for position, _, _ in page["commits"]]
        if not positions and not segments:
            break
        new = list(positions)
        for first, last, _ in page["segments"]:
            new += [at for at in range(last, first - 1, -1) if at < min([before + 1, *new])]
        assert new == sorted(new, reverse=True)
        found += new
        before = new[-1] - 1
    assert found == list(range(39, 0, -1))


def test_a_page_of_events_is_no_larger_than_needed(scene: ShardScene) -> None:
    for sequence in range(1, 30):
        scene.append(numbered(sequence))
        run(scene.log.flush())
    scene.log.checkpoint()
    page = scene.call("events", before=1 << 50, limit=3)
    assert [first for first, _, _ in page["segments"]] == [29, 28, 27]


def test_a_segment_that_a_page_needs_in_part_does_not_make_the_page_shorter(
    scene: ShardScene,
) -> None:
    for sequence in range(1, 11):
        scene.append(numbered(sequence))
        if sequence in (4, 10):
            run(scene.log.flush())
    scene.log.checkpoint()
    page = scene.call("events", before=6, limit=3)
    assert [first for first, _, _ in page["segments"]] == [5, 1]


def test_commits_without_events_do_not_make_a_page_longer(scene: ShardScene) -> None:
    scene.append(numbered(1))
    for number in range(20):
        scene.append(Batch("", 0, 0, [], SETTLEMENT._replace(payment_id=f"p{number}")))
        run(scene.log.flush())
    page = scene.call("events", before=1 << 50, limit=5)
    assert [position for position, _, _ in page["commits"]] == [1]
    scene.log.checkpoint()
    page = scene.call("events", before=1 << 50, limit=5)
    assert len(page["segments"]) == 1


def test_settlements_are_returned_newest_claim_first(scene: ShardScene) -> None:
    for claimed_at_ms in (5, 9, 7):
        name = f"p{claimed_at_ms}"
        settlement = SETTLEMENT._replace(payment_id=name, claimed_at_ms=claimed_at_ms)
        scene.append(Batch("", 0, 0, [], settlement))
    found = scene.call("settlements", before=[9, "p9"], since=0, limit=9)
    assert [fields[1] for fields in found] == ["p7", "p5"]
    assert [
        fields[1] for fields in scene.call("settlements", before=[99, ""], since=7, limit=1)
    ] == ["p9"]


# health


def test_health_of_a_shard_at_rest_has_nothing_that_waits(scene: ShardScene) -> None:
    scene.append(numbered(1), numbered(2))
    scene.advance(constants.SPILL_CHECK_MS + constants.CHECKPOINT_MS)
    found = scene.call("health")
    assert (found["acknowledged"], found["flushed"], found["checkpointed"]) == (1, 1, 1)
    assert (found["oldestUnflushedSeconds"], found["spillsWaiting"], found["gaps"]) == (0, 0, {})


def test_health_shows_what_waits_and_what_is_missing(scene: ShardScene) -> None:
    scene.store.unavailable = True
    scene.append(numbered(1), numbered(4), numbered(1, writer="b", dropped=3))
    scene.clock.at_ms += 60_000
    scene.run()
    found = scene.call("health")
    assert (found["acknowledged"], found["flushed"]) == (1, 0)
    assert found["oldestUnflushedSeconds"] == 60
    assert (found["gaps"], found["writers"], found["dropped"]) == ({"w": 2}, 2, 3)
    assert found["sinceStart"]["putsFailed"] == 1
