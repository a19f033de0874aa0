"""The commands against a real dispatcher, without a terminal."""

import json
import signal
from datetime import UTC, datetime, timedelta

from tests.cli.analytics.conftest import Market
from tests.cli.command import clawr_inside, clawr_running

NOW = datetime.now(UTC)


def test_analytics(market: Market) -> None:
    ran = market.run("analytics", "--window", "week", "--top", "2", "--json")
    snapshot = ran.document["snapshot"]
    assert (ran.code, ran.err, ran.document["ok"]) == (0, "", True)
    assert (snapshot["window"], len(snapshot["topApis"])) == ("week", 2)


def test_analytics_as_text(market: Market) -> None:
    ran = market.run("analytics")
    assert "/t/feasts" in ran.out
    assert "Counted up to" in ran.out
    assert "\x1b" not in ran.out


def test_events(market: Market) -> None:
    ran = market.run("events", "--slug", "feasts", "--status", "2xx", "--limit", "1", "--json")
    assert [event["endpoint"] for event in ran.document["events"]] == ["/t/feasts"]
    assert market.run("events", "--status", "404").out.count("/t/feasts") == 0


def test_events_are_followed_as_json_lines_until_interrupted(market: Market) -> None:
    arguments = ("events", "--follow", "--json", "--interval", "1", "--limit", "1")
    with clawr_running(*arguments, settings=market.settings) as follower:
        assert follower.stdout is not None
        first = json.loads(follower.stdout.readline())
        wanted = [market.call("feasts/") for _ in range(5)]
        seen = [json.loads(follower.stdout.readline())["requestId"] for _ in wanted]
        follower.send_signal(signal.SIGINT)
        rest, notes = follower.communicate(timeout=30)
    assert first["requestId"] not in seen
    assert sorted(seen) == sorted(wanted)
    assert (rest, notes, follower.returncode) == ("", "", 130)


def test_reconcile(market: Market) -> None:
    ran = market.run("reconcile", "--json")
    yesterday = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    assert (ran.code, ran.document["day"]["agrees"]) == (0, True)
    assert ran.document["day"]["date"] in (yesterday, f"{datetime.now(UTC):%Y-%m-%d}")


def test_reconcile_rejects_a_future_day(market: Market) -> None:
    ran = market.run("reconcile", "--day", f"{NOW + timedelta(days=2):%Y-%m-%d}")
    assert (ran.code, "a day that has begun" in ran.err) == (2, True)


def test_rebuild(market: Market) -> None:
    start = f"{NOW - timedelta(hours=2):%Y-%m-%dT%H:%MZ}"
    span = ("--from", start, "--to", f"{NOW:%Y-%m-%dT%H:%MZ}")
    planned = market.run("rebuild", *span)
    assert "Nothing was changed" in planned.out
    done = market.run("rebuild", *span, "--execute", "--json")
    assert (done.code, done.document["executed"], done.document["changed"]) == (0, True, [])
    assert done.document["notRebuilt"] == {}
    assert done.document["segments"] > 0


def test_doctor(market: Market) -> None:
    ran = market.run("doctor", "--json")
    states = {check["name"]: check["state"] for check in ran.document["checks"]}
    assert (ran.code, ran.document["failed"]) == (0, 0)
    assert (states["/__platform/health"], states["clock"]) == ("ok", "ok")
    assert states["account"] == "not checked"


def test_a_rejected_token_is_explained(market: Market) -> None:
    settings = {"CLAWR_URL": market.url, "PLATFORM_ANALYTICS_TOKEN": "wrong-token-for-all"}
    ran = clawr_inside("analytics", settings=settings)
    assert (ran.code, ran.out) == (3, "")
    assert "PLATFORM_ANALYTICS_TOKEN" in ran.err
    assert "wrong-token-for-all" not in ran.err
