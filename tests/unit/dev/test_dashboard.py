"""The Grafana dashboard uses only metrics, parameters and fields that the routes have."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from api.routes import METRICS, USAGE
from core.calendar import DAY_MS, timestamp
from dev.layout import HERE
from tests.support.builders import MAPS, event
from tests.support.fakes import NOON_MS
from tests.support.platform_scene import Scene

DASHBOARD = json.loads((HERE.root / "docs" / "dashboards" / "grafana.json").read_text())
TIMES = {
    "${__from:date:iso}": timestamp(NOON_MS - 30 * DAY_MS),
    "${__to:date:iso}": timestamp(NOON_MS),
}


def targets(kind: str) -> Iterator[Mapping[str, Any]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            if target["datasource"]["type"] == kind:
                yield target


def used_scene() -> Scene:
    scene = Scene()
    for number in range(2):
        scene.recorder.record(event(request_id=f"r{number}", api=MAPS, revenue_micros=number))
    asyncio.run(scene.recorder.send())
    return scene


def test_every_metric_of_the_dashboard_exists() -> None:
    text = str(used_scene().request(METRICS.path).body)
    # A family is described even while it has no samples.
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    used = {
        name
        for target in targets("prometheus")
        for name in re.findall(r"clawr_\w+", target["expr"])
    }
    # Payments need a ledger, which this scene does not have.
    source = (HERE.root / "src" / "api" / "metrics.py").read_text()
    missing = {name for name in used if name.removesuffix("_total") not in families}
    assert len(used) >= 8
    assert [name for name in missing if name.removeprefix("clawr_") not in source] == []
    assert len(missing) <= 1


def test_every_query_of_usage_is_valid_and_every_column_is_a_field_of_the_rows() -> None:
    scene = used_scene()
    count = 0
    for target in targets("yesoreyeram-infinity-datasource"):
        url = target["url"]
        for variable, value in TIMES.items():
            url = url.replace(variable, value)
        parts = urlsplit(url.replace("${dispatcher}", "http://localhost"))
        assert parts.path == USAGE.path
        rows = scene.body(parts.path, f"?{parts.query}")[target["root_selector"]]
        fields = {name for row in rows for name in row}
        assert {column["selector"] for column in target["columns"]} <= fields
        count += 1
    assert count >= 5


def test_every_data_source_of_a_panel_is_a_variable_of_the_dashboard() -> None:
    variables = {f"${{{one['name']}}}": one for one in DASHBOARD["templating"]["list"]}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            source = target["datasource"]
            assert variables[source["uid"]]["query"] == source["type"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
