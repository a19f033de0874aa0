"""`/__platform/health` says what is wrong, and bad directory records take nobody down."""

import json

from .caller import Caller
from .marketplace import BAD_RECORDS


def test_every_bad_record_is_named_with_its_reason(caller: Caller) -> None:
    report = json.dumps(caller.platform("health"))
    for name in ("Has Spaces", "no-worker", "bad-price", "bad-plan"):
        assert name in report
    for reason in ("slug", "workerName", "priceUsd", "plan"):
        assert reason in report


def test_the_others_keep_working(caller: Caller) -> None:
    assert caller.request("/t/mirror/").status_code == 200
    assert len(BAD_RECORDS) == 5


def test_a_bad_record_answers_to_nobody(caller: Caller) -> None:
    for slug in ("no-worker", "bad-price", "bad-plan"):
        response = caller.request(f"/t/{slug}/")
        assert (response.status_code, response.json()["error"]) == (404, "tenant_not_found")


def test_no_setting_is_shown(caller: Caller) -> None:
    assert caller.token not in json.dumps(caller.platform("health"))
