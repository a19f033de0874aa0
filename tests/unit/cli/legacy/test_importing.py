"""Events are sent within the dispatcher's limits, and a rejected one is explained."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from cli import platform as platform_module
from cli.errors import CommandError, NetworkError
from cli.legacy import importing
from cli.legacy.entries import Entry
from cli.legacy.events import ApiName, Counted, OldList, read_list
from cli.legacy.fields import Naming
from cli.legacy.importing import import_events, overall_totals, unused_id
from cli.legacy.spool import EventSpool
from cli.output import Output
from cli.platform import Platform
from core import constants
from tests.cli.loopback import Asked, Reply, answering
from tests.support.fakes import NOON_MS

UNTIL = "2026-11-22T13:00:00.000Z"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(importing, "PAUSE_SECONDS", 0.001)


@pytest.fixture
def spool() -> Iterator[EventSpool]:
    with EventSpool(keeps_lines=True) as spool:
        yield spool


def old_list(spool: EventSpool, count: int, **more: Any) -> OldList:
    values = (
        {"id": f"e-{number}", "at": NOON_MS, "slug": "maps", "tenantId": "t", "status": 200, **more}
        for number in range(count)
    )
    entries = (Entry(index, 1, value) for index, value in enumerate(values))
    return read_list(entries, Naming({}), NOON_MS, spool)


def imported(
    spool: EventSpool, answer: Callable[[Sequence[Any]], dict[str, Any] | Reply]
) -> tuple[importing.Imported, list[list[Any]]]:
    """Import a list; return the result and the events of each request."""
    bodies: list[list[Any]] = []

    def reply(asked: Asked) -> Reply:
        assert len(asked.body) <= constants.IMPORT_BYTES_MAX
        assert asked.query == {"id": "legacy-1"}
        events = [json.loads(line) for line in asked.body.splitlines()]
        bodies.append(events)
        found = answer(events)
        return found if isinstance(found, Reply) else Reply(found)

    with answering(reply) as server, Platform(server.dispatcher) as platform:
        output = Output(as_json=True)
        return import_events(spool.lines(), 2_500, "legacy-1", platform, output), bodies


def accepted(events: Sequence[Any]) -> dict[str, Any]:
    return {
        "imported": len(events) - 1,
        "known": 1,
        "rejected": 0,
        "errors": [],
        "undoUntil": UNTIL,
    }


def test_a_long_list_is_sent_in_several_requests(spool: EventSpool) -> None:
    old_list(spool, 2_500)
    done, bodies = imported(spool, accepted)
    assert [len(events) for events in bodies] == [1_000, 1_000, 500]
    assert [event["id"] for events in bodies for event in events] == [
        f"e-{number}" for number in range(2_500)
    ]
    assert (done.new, done.known, done.undo_until) == (2_497, 3, UNTIL)


def test_no_request_is_longer_than_the_dispatcher_accepts(spool: EventSpool) -> None:
    old_list(spool, 900, agentId="x" * 4_000)
    _, bodies = imported(spool, accepted)
    assert len(bodies) == 2


def test_a_rejected_event_is_explained(spool: EventSpool) -> None:
    old_list(spool, 1)
    error = {"line": 1, "id": "e-0", "reasons": ["at must be in the past"]}
    rejected = {**accepted([{}]), "rejected": 1, "errors": [error]}
    with pytest.raises(CommandError, match="e-0: at must be in the past"):
        imported(spool, lambda _: rejected)


def test_a_request_is_repeated_while_the_dispatcher_is_busy(spool: EventSpool) -> None:
    old_list(spool, 2_500)
    busy = Reply({"error": "shard_unavailable", "message": "days are being folded"}, 503)
    is_busy = iter([False, *[True] * 7])
    done, bodies = imported(
        spool, lambda events: busy if next(is_busy, False) else accepted(events)
    )
    assert (done.new, len(bodies)) == (2_497, 10)


def test_a_failure_says_how_much_is_imported(
    spool: EventSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "WAIT_SECONDS_MAX", 0.0)
    old_list(spool, 2_500)
    is_first = iter([True])

    def answer(events: Sequence[Any]) -> dict[str, Any] | Reply:
        return accepted(events) if next(is_first, False) else Reply(b"", 503)

    with pytest.raises(NetworkError, match=r"1,000 of 2,500 events are imported\.") as failure:
        imported(spool, answer)
    assert "Run the same command again" in failure.value.advice


def test_sums_are_by_api(spool: EventSpool) -> None:
    apis = old_list(spool, 3, revenueMicros=5, status=502).apis
    assert apis == {ApiName("t", "maps"): Counted(3, 15, 3)}


@pytest.mark.parametrize(("total", "other"), [(1, Counted()), (1_001, None)])
def test_the_totals_of_an_api_that_is_not_in_the_response_may_be_unknown(
    total: int, other: Counted | None
) -> None:
    row = {"tenantId": "t", "endpoint": "/t/maps", "calls": 2, "revenueMicros": 7}
    snapshot = {"allApis": [row], "apis": {"total": total, "shown": 1}}
    with (
        answering(lambda _: Reply({"snapshot": snapshot})) as server,
        Platform(server.dispatcher) as platform,
    ):
        totals = overall_totals(platform)
    assert totals.of(ApiName("t", "maps")) == Counted(2, 7)
    assert totals.of(ApiName("t", "other")) == other


def test_an_id_that_was_undone_is_not_used_again() -> None:
    base = f"legacy-{bytes(8).hex()}"
    states = {base: "undone", f"{base}-2": "undone", f"{base}-3": "unknown"}

    def reply(asked: Asked) -> Reply:
        assert (asked.method, asked.query["dryRun"]) == ("POST", "true")
        return Reply({"state": states[asked.query["undo"]]})

    with answering(reply) as server, Platform(server.dispatcher) as platform:
        assert unused_id(platform, bytes(8)) == f"{base}-3"


def test_the_id_follows_from_the_events_in_any_order() -> None:
    digests = []
    for numbers in ([1, 2, 3], [3, 1, 2, 2], [1, 2]):
        with EventSpool(keeps_lines=False) as spool:
            entries = [
                Entry(
                    index,
                    1,
                    {"id": str(n), "at": NOON_MS, "slug": "maps", "tenantId": "t", "status": 200},
                )
                for index, n in enumerate(numbers)
            ]
            read_list(entries, Naming({}), NOON_MS, spool)
            digests.append(spool.digest())
    assert digests[0] == digests[1] != digests[2]
