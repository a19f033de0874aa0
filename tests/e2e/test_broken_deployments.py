"""Responses and health name the binding that a deployment lacks."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.launch import running_dispatcher
from dev.layout import HERE, Layout
from tests.support.prepared_start import prepared_start

from .caller import Caller
from .conftest import TOKEN
from .marketplace import DEMO_NAMESPACE, DEMO_TENANTS

TABLE = r"\[\[{kind}\]\]\n(?:binding|name) = \"{binding}\"\n(?:[a-z_]+ = .*\n)*"
DEMO = DEMO_TENANTS.read_text(encoding="utf-8")


@pytest.fixture
def without(tmp_path: Path) -> Callable[[str, str], Layout]:
    """Return a function that makes a clone whose wrangler.toml lacks one binding."""

    def make(kind: str, binding: str) -> Layout:
        root = tmp_path / "clone"
        root.mkdir()
        for name in (
            "dev",
            "src",
            "public",
            "migrations",
            "node_modules",
            "python_modules",
            ".venv",
        ):
            (root / name).symlink_to(HERE.root / name)
        (root / ".clawr").mkdir()
        for made in (HERE.bundles, HERE.databases):
            made.mkdir(parents=True, exist_ok=True)
            (root / ".clawr" / made.name).symlink_to(made)
        complete = HERE.wrangler_toml.read_text(encoding="utf-8")
        incomplete, count = re.subn(TABLE.format(kind=kind, binding=binding), "", complete)
        assert count == 1
        (root / "wrangler.toml").write_text(incomplete, encoding="utf-8")
        return Layout(root)

    return make


@pytest.mark.parametrize(
    ("kind", "binding", "events"),
    [
        ("dispatch_namespaces", "DISPATCHER", 1),
        ("kv_namespaces", "USAGE_KV", 0),
        ("durable_objects.bindings", "USAGE_SHARD", 0),
    ],
)
def test_a_missing_binding_is_named_in_responses_and_health(
    without: Callable[[str, str], Layout], tmp_path: Path, kind: str, binding: str, events: int
) -> None:
    with (
        running_dispatcher(
            state=tmp_path / "state",
            tenants=DEMO,
            namespace=DEMO_NAMESPACE,
            prepared=prepared_start(),
            variables={"PLATFORM_ANALYTICS_TOKEN": TOKEN},
            layout=without(kind, binding),
        ) as server,
        Caller(server.url, TOKEN) as caller,
    ):
        response = caller.request("/t/feasts/")
        assert (response.status_code, response.json()["error"]) == (
            500,
            "dispatcher_binding_missing",
        )
        assert response.json()["binding"] == binding
        headers = {"authorization": f"Bearer {TOKEN}"}
        health = caller.request("/__platform/health", headers=headers).json()
        assert health["bindings"][binding] is False
        assert any(binding in problem["message"] for problem in health["problems"])
        assert health["isolate"]["eventsRecorded"] == 1
        if events:
            caller.wait_until_written()
            listed = caller.request("/__platform/events", headers=headers).json()["events"]
            assert [event["outcome"] for event in listed] == ["dispatcher_binding_missing"]


def test_headers_over_the_limit_are_refused(caller: Caller) -> None:
    response = caller.request("/t/mirror/", headers={"x-large": "a" * 140_000})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_parameter")
    assert response.json()["parameter"] == "headers"
    assert caller.request("/t/mirror/", headers={"x-large": "a" * 100_000}).status_code == 200
