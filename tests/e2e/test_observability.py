"""Metrics of the real Worker equal the traffic, and log lines are JSON."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dev.launch import Server
from dev.launch.output import without_escapes, without_prefix

from .caller import Caller

TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def families(caller: Caller) -> Mapping[str, Metric]:
    """Request the metrics once and parse them strictly."""
    response = caller.request(
        "/__platform/metrics", headers={"authorization": f"Bearer {caller.token}"}
    )
    assert (response.status_code, response.headers["content-type"]) == (200, TYPE)
    parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
    return {family.name: family for family in parse(response.text)}


def total(found: Mapping[str, Metric], name: str, **labels: str) -> float:
    """Return the sum of the samples that have these labels."""
    return sum(
        sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def log_lines(server: Server) -> list[dict[str, Any]]:
    """Return the log lines of the Worker; wrangler's own never start with a brace."""
    texts = [without_prefix(without_escapes(line)) for line in server.log.read_text().splitlines()]
    return [json.loads(text) for text in texts if text.startswith("{")]


def awaited_line(server: Server, request_id: str) -> dict[str, Any]:
    """Wait for the one log line about a request, and return it."""
    deadline = time.monotonic() + 10
    while True:
        found = [line for line in log_lines(server) if line.get("requestId") == request_id]
        if found or time.monotonic() > deadline:
            (line,) = found
            return line
        time.sleep(0.05)


def test_metrics_equal_the_traffic(caller: Caller) -> None:
    caller.wait_until_written()
    before = families(caller)
    for _ in range(5):
        assert caller.request("/t/mirror/").status_code == 200
    for _ in range(3):
        assert caller.request("/t/unknown").status_code == 404
    deadline = time.monotonic() + 15
    while True:
        after = families(caller)
        grown = {
            name: total(after, name) - total(before, name)
            for name in ("clawr_today_calls", "clawr_isolate_events_acknowledged_total")
        }
        # The acknowledgment comes a moment after the responses.
        if list(grown.values()) == [5, 8] or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert grown == {"clawr_today_calls": 5, "clawr_isolate_events_acknowledged_total": 8}

    def requests(**labels: str) -> float:
        name = "clawr_isolate_requests_total"
        return total(after, name, **labels) - total(before, name, **labels)

    assert requests(outcome="served", status="2xx", surface="public") == 5
    assert requests(outcome="tenant_not_found", status="4xx") == 3
    assert requests(surface="platform") >= 1
    count = "clawr_isolate_request_duration_seconds_count"
    assert total(after, count, surface="public") - total(before, count, surface="public") == 8
    positions = "clawr_shard_acknowledged_position"
    assert total(after, positions, shard="0") > total(before, positions, shard="0")
    assert total(after, "clawr_source_up") == 3


def test_metrics_need_the_token_in_a_header(caller: Caller) -> None:
    assert caller.request("/__platform/metrics").status_code == 401
    assert caller.request(f"/__platform/metrics?token={caller.token}").status_code == 401


def test_a_failure_is_one_log_line_with_its_request_and_endpoint(
    server: Server, caller: Caller
) -> None:
    response = caller.request("/t/crafted/throw", headers={"x-api-key": "callers-own-key"})
    assert response.status_code == 502
    line = awaited_line(server, response.headers["x-request-id"])
    assert (line["level"], line["event"]) == ("warning", "request_failed")
    assert (line["code"], line["status"], line["endpoint"]) == (
        "tenant_worker_failure",
        502,
        "/t/crafted",
    )
    assert line["cause"]


def test_log_lines_are_json_and_ordinary_requests_log_nothing(
    server: Server, caller: Caller
) -> None:
    printed_before = len(server.log.read_text())
    served = caller.request("/t/mirror/", headers={"x-api-key": "callers-own-key"})
    refused = caller.request("/t/unknown")
    assert caller.request("/cdn-cgi/local/scheduled").text == "ok"
    failed = caller.request("/t/crafted/throw")
    awaited_line(server, failed.headers["x-request-id"])
    lines = log_lines(server)
    assert all({"level", "event", "logger"} <= line.keys() for line in lines)
    assert "payment_recovery_ran" in {line["event"] for line in lines}
    ordinary = {response.headers["x-request-id"] for response in (served, refused)}
    assert ordinary.isdisjoint(line.get("requestId") for line in lines)
    text = server.log.read_text()[printed_before:]
    # No output of Python or JavaScript itself, and no secrets.
    assert not re.search(r"Traceback|^\s+at |WARNING:|ERROR:", text, re.MULTILINE)
    logged = json.dumps(lines)
    assert "callers-own-key" not in logged
    assert caller.token not in logged
