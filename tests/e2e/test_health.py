"""`/__platform/health` reports invalid records, which do not affect other tenants."""

import json

from dev.launch import Server

from .caller import Caller
from .marketplace import BAD_RECORDS


def test_every_invalid_record_is_named_with_its_reason(caller: Caller) -> None:
    report = json.dumps(caller.platform("health"))
    for name in ("Has Spaces", "no-worker", "bad-price", "bad-plan"):
        assert name in report
    for reason in ("slug", "workerName", "priceUsd", "plan"):
        assert reason in report


def test_valid_records_are_served(caller: Caller) -> None:
    assert caller.request("/t/mirror/").status_code == 200
    assert len(BAD_RECORDS) == 5


def test_an_invalid_record_is_not_served(caller: Caller) -> None:
    for slug in ("no-worker", "bad-price", "bad-plan"):
        response = caller.request(f"/t/{slug}/")
        assert (response.status_code, response.json()["error"]) == (404, "tenant_not_found")


def test_the_token_is_not_shown(caller: Caller) -> None:
    assert caller.token not in json.dumps(caller.platform("health"))


def test_the_shared_dispatcher_runs_without_wrangler(server: Server) -> None:
    """With wrangler, these tests would take twice as long, and its proxy would repeat requests."""
    assert "wrangler" not in server.log.read_text()
