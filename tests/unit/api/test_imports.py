"""An import counts each old event once by its id, and names what it rejects."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from api.imports.old_event import NAMES
from core import constants
from core.calendar import timestamp
from core.errors import InvalidParameter
from tests.support.fakes import NOON_MS
from tests.support.platform_scene import Scene

ROUTE = "/__platform/import"
DAY_MS = 86_400_000
FIRST_DISPATCHER = json.loads((Path(__file__).parent / "first_dispatcher.json").read_text())


def old(name: str, **changes: Any) -> dict[str, Any]:
    event = {
        "id": name,
        "at": NOON_MS - DAY_MS,
        "tenantId": "t1",
        "slug": "weather",
        "status": 200,
        "latencyMs": 12,
        "agentId": "a",
    }
    return event | changes


def lines(events: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, events))


def send(scene: Scene, content: str) -> dict[str, Any]:
    return scene.body(ROUTE, method="POST", content=content)


def counts(body: dict[str, Any]) -> tuple[int, ...]:
    return tuple(body[name] for name in ("received", "imported", "known", "rejected"))


def totals(scene: Scene) -> dict[str, Any]:
    snapshot = scene.body("/__platform/analytics", "?window=overall")["snapshot"]
    return {
        **{
            name: snapshot["heroStats"][name] for name in ("calls", "revenueMicros", "activeAgents")
        },
        "apis": {row["id"]: (row["calls"], row["errorRatePct"]) for row in snapshot["allApis"]},
    }


@pytest.mark.parametrize("form", [lines, json.dumps, lambda one: json.dumps(one, indent=1)])
def test_events_are_imported_from_lines_and_from_an_array(form: Any) -> None:
    scene = Scene()
    body = send(scene, form([old("a"), old("b", status=503), old("c", tenantId="t2")]))
    assert (counts(body), body["errors"]) == ((3, 3, 0, 0), [])
    assert totals(scene)["calls"] == 3


def test_an_event_counts_once_in_any_order_split_and_repetition() -> None:
    events = [old(f"e{number}", at=NOON_MS - number * DAY_MS) for number in range(12)]
    results = []
    for seed in range(6):
        scene = Scene()
        sent = events * 2
        random.Random(seed).shuffle(sent)
        imported = 0
        while sent:
            size = 1 + seed * 3
            imported += send(scene, lines(sent[:size]))["imported"]
            sent = sent[size:]
        assert imported == 12
        results.append(totals(scene))
    assert all(before == after for before, after in itertools.pairwise(results))
    assert results[0]["calls"] == 12


def test_an_event_is_known_after_shards_were_added_and_restarted() -> None:
    scene = Scene()
    shards = scene.environment.usage_shards
    assert shards is not None
    assert counts(send(scene, lines([old("a"), old("b")]))) == (2, 2, 0, 0)
    shards.restart()
    shards.count = 8
    assert counts(send(scene, lines([old("b"), old("c")]))) == (2, 1, 1, 0)


def test_an_import_whose_response_was_lost_is_repeated_and_counts_once() -> None:
    scene = Scene()
    shards = scene.environment.usage_shards
    assert shards is not None
    shards.lost_responses = 1
    assert counts(send(scene, lines([old("a")]))) == (1, 0, 1, 0)
    assert totals(scene)["calls"] == 1


def test_the_events_of_the_first_dispatcher_keep_their_meaning() -> None:
    scene = Scene()
    scene.clock.at_ms = FIRST_DISPATCHER[0]["timestamp"] + DAY_MS
    body = send(scene, json.dumps(FIRST_DISPATCHER))
    assert counts(body) == (8, 7, 1, 0), "the last event is the first one again"
    found = totals(scene)
    assert (found["calls"], found["revenueMicros"], found["activeAgents"]) == (5, 150_000, 3)
    assert found["apis"] == {"tenant_a:weather": (4, 50.0), "tenant_b:quotes": (1, 0.0)}
    events = scene.body("/__platform/events")["events"]
    outcomes = {one["requestId"]: one["outcome"] for one in events}
    assert outcomes == {
        "req_case_000": "served",
        "req_case_001": "served",
        "req_case_002": "payment_required",
        "req_case_003": "rate_limited",
        "req_case_004": "tenant_worker_failure",
        "req_case_005": "served",
        "req_case_006": "served",
    }


def test_invalid_events_are_rejected_by_line_and_the_others_imported() -> None:
    content = "\n".join(
        [
            json.dumps(old("a")),
            "",
            "{",
            json.dumps([1]),
            json.dumps(old("late", at=NOON_MS + DAY_MS, status=99)),
            json.dumps({**old("x"), "id": None}),
            json.dumps(old("b")),
            json.dumps(old("\ud800")),
        ]
    )
    scene = Scene()
    body = send(scene, content)
    assert counts(body) == (7, 2, 0, 5)
    assert [(one["line"], one["id"]) for one in body["errors"]] == [
        (3, None),
        (4, None),
        (5, "late"),
        (6, None),
        (8, "\ud800"),
    ]
    reasons = [" ".join(one["reasons"]) for one in body["errors"]]
    for text, expected in zip(
        reasons,
        ("not JSON", "not an object", "status must be a whole number", "id is missing", "id must"),
        strict=True,
    ):
        assert expected in text
    assert totals(scene)["calls"] == 2


def test_an_array_names_the_line_of_a_rejected_event() -> None:
    content = json.dumps([old("a"), old("b", status=0), old("c")], indent=2)
    (error,) = send(Scene(), content)["errors"]
    assert (error["line"], error["id"]) == (11, "b")


def test_only_the_first_rejected_events_are_described() -> None:
    events = [old(f"e{number}", status=0) for number in range(constants.IMPORT_ERRORS_MAX + 5)]
    body = send(Scene(), lines(events))
    assert (body["rejected"], len(body["errors"])) == (len(events), constants.IMPORT_ERRORS_MAX)


@pytest.mark.parametrize(
    ("content", "parameter", "text"),
    [
        ("", "content-length", "given, at most"),
        ("\n \n", "body", "a JSON array of events"),
        ("[1,", "body", "does not parse"),
        ("[" * 5_000, "body", "nested"),
        ("x" * (constants.IMPORT_BYTES_MAX + 1), "content-length", "at most"),
        ("{}\n" * (constants.IMPORT_EVENTS_MAX + 1), "body", "line 2001 has another one"),
    ],
)
def test_a_body_that_cannot_be_used_is_an_error(content: str, parameter: str, text: str) -> None:
    scene = Scene()
    error = scene.error(ROUTE, method="POST", content=content)
    assert isinstance(error, InvalidParameter)
    assert error.evidence["parameter"] == parameter
    assert text in error.message
    assert scene.body("/__platform/events")["events"] == []


def test_events_whose_encoding_is_long_are_split_into_batches() -> None:
    scene = Scene()
    # Each of these letters has two bytes in the body, and six characters in a batch.
    events = [
        old(f"e{number}", slug=f"s{number}", owner="é" * 200, directory="é" * 100)
        for number in range(constants.IMPORT_EVENTS_MAX)
    ]
    assert counts(send(scene, json.dumps(events, ensure_ascii=False))) == (2_000, 2_000, 0, 0)
    shards = scene.environment.usage_shards
    assert shards is not None
    assert shards.calls.count((0, "append")) > 1


def test_callers_and_their_networks_are_hashed_like_those_of_requests() -> None:
    scene = Scene()
    send(scene, lines([old("a", agentId=None, ip="192.0.2.7"), old("b", agentId=None)]))
    shards = scene.environment.usage_shards
    assert shards is not None
    with_ip, without = shards.events
    assert (len(with_ip.caller), len(with_ip.network)) == (16, 16)
    assert (without.caller, without.network) == ("", "")


def test_a_year_of_events_leaves_one_part_for_each_day_until_it_is_folded() -> None:
    scene = Scene()
    shards = scene.environment.usage_shards
    assert shards is not None
    for day in range(300):
        send(scene, lines([old(f"d{day}", at=NOON_MS - day * DAY_MS)]))
    before = totals(scene)
    for _ in range(3):
        scene.clock.at_ms += constants.FOLD_LATE_MS
        asyncio.run(shards.run())
    assert [
        name.day for name in (part.name for part in shards.shard(0).log.folder.all_parts())
    ] == [NOON_MS // DAY_MS]
    assert totals(scene) == before


def test_an_import_is_undone_by_its_id() -> None:
    scene = Scene()
    send(scene, lines([old("kept")]))
    before = totals(scene)
    content = lines([old("a"), old("b", tenantId="t2", status=503)])
    body = scene.body(ROUTE, "?id=mine", method="POST", content=content)
    assert (counts(body), body["importId"]) == ((2, 2, 0, 0), "mine")
    # Both commits took a moment.
    assert body["undoUntil"][:-5] == timestamp(NOON_MS + constants.FOLD_LATE_MS)[:-5]
    assert totals(scene)["calls"] == 3

    state = scene.body(ROUTE, "?undo=mine&dryRun=true", method="POST")
    assert (state["state"], state["events"]) == ("open", 2)
    assert state["undoUntil"] == body["undoUntil"]
    assert totals(scene)["calls"] == 3

    undone = scene.body(ROUTE, "?undo=mine", method="POST")
    assert (undone["state"], undone["events"]) == ("undone", 2)
    assert totals(scene) == before
    events = scene.body("/__platform/events")["events"]
    assert [one["requestId"] for one in events] == ["kept"]
    again = scene.body(ROUTE, "?undo=mine", method="POST")
    assert (again["state"], again["events"]) == ("undone", 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?undo=mine", "not_found"),
        ("?undo=mine&id=mine", "invalid_parameter"),
        ("?undo=Mine", "invalid_parameter"),
        ("?id=", "invalid_parameter"),
        ("?undo=mine&dryRun=yes", "invalid_parameter"),
    ],
)
def test_an_undo_that_cannot_be_done_is_an_error(query: str, code: str) -> None:
    assert scene_error(Scene(), query).code == code


def test_an_import_that_is_folded_or_undone_is_a_conflict() -> None:
    scene = Scene()
    shards = scene.environment.usage_shards
    assert shards is not None
    for name in ("folded", "undone"):
        scene.body(ROUTE, f"?id={name}", method="POST", content=lines([old(name)]))
    scene.body(ROUTE, "?undo=undone", method="POST")
    scene.clock.at_ms += DAY_MS
    asyncio.run(shards.run())
    assert scene_error(scene, "?undo=folded").code == "import_folded"
    assert scene_error(scene, "?id=undone", lines([old("x")])).code == "import_undone"
    assert totals(scene)["calls"] == 1


def scene_error(scene: Scene, query: str, content: str = "") -> Any:
    return scene.error(ROUTE, query, method="POST", content=content)


def test_money_that_is_not_understood_is_rejected() -> None:
    events = [old("a", feeUsd=0.1), old("b", settledUsd=0, billedUsd=0.1), old("c", feeUsd=0)]
    body = send(Scene(), lines(events))
    assert counts(body) == (3, 1, 0, 2)
    assert "feeUsd (0.1)" in body["errors"][0]["reasons"][0]


def test_the_docs_describe_every_field() -> None:
    text = (Path(__file__).parents[3] / "docs" / "import-legacy.md").read_text(encoding="utf-8")
    missing = [name for aliases in NAMES.values() for name in aliases if f"`{name}`" not in text]
    assert missing == []
