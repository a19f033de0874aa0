"""The directory is read from `TENANT_KV`, else from the variable; errors are reported."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.launch import Server
from dev.layout import HERE
from dev.setup.node import find_node

from .caller import Caller, eventually
from .conftest import TOKEN, Starter
from .marketplace import tenant

CACHE_SECONDS = 30


def publish(state: Path, entries: Mapping[str, str], folder: Path) -> None:
    """Put `entries` into the local `TENANT_KV` with wrangler, as an operator does."""
    file = folder / "entries.json"
    file.write_text(json.dumps([{"key": key, "value": value} for key, value in entries.items()]))
    wrangler = HERE.node_modules / "wrangler" / "bin" / "wrangler.js"
    options = ["--binding", "TENANT_KV", "--local", "--persist-to", str(state)]
    command = [str(find_node(HERE)), str(wrangler), "kv", "bulk", "put", str(file), *options]
    config = ["--config", str(HERE.wrangler_toml)]
    subprocess.run([*command, *config], check=True, capture_output=True, timeout=60, cwd=folder)


def record(slug: str, hosts: list[str] | None = None) -> dict[str, str]:
    """Return the entries of one API in `TENANT_KV`."""
    published = tenant(slug, "mirror", hosts=hosts or [])
    by_host = {f"host/{host}": slug for host in hosts or []}
    return {f"tenant/{slug}": json.dumps(published), **by_host}


def test_an_api_published_in_kv_is_served_without_a_restart(start: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    publish(state, record("early", hosts=["early.e2e.example"]), tmp_path)
    variable = {"tenants": [tenant("in-variable", "mirror"), tenant("early", "no-such-script")]}
    with start(state, variable) as server, Caller(server.url, TOKEN) as caller:
        assert caller.request("/t/early/").headers["x-tenant-id"] == "ten_early"
        assert caller.request("/t/early/").status_code == 200, "KV has priority over the variable"
        assert caller.request("/x", host="early.e2e.example").headers["x-tenant-id"] == "ten_early"
        assert caller.request("/t/in-variable/").status_code == 200
        assert caller.request("/t/late/").status_code == 404

        bad = {"tenant/faulty": json.dumps({"slug": "faulty", "tenantId": "ten_faulty"})}
        publish(state, {**record("late"), **bad}, tmp_path)
        eventually(
            lambda: caller.request("/t/late/").status_code == 200,
            "the API published last",
            within_seconds=CACHE_SECONDS + 5,
        )
        assert caller.request("/t/faulty/").status_code in {404, 500}
        assert "faulty" in json.dumps(caller.platform("health"))
        assert caller.request("/t/early/").status_code == 200


def test_an_invalid_directory_is_a_configuration_error_that_names_the_setting(
    start: Starter, tmp_path: Path
) -> None:
    variables = {"TENANT_DIRECTORY_JSON": '{"tenants": ['}
    with start(tmp_path, None, variables) as server, Caller(server.url, TOKEN) as caller:
        response = caller.request("/t/mirror/")
        assert (response.status_code, response.json()["error"]) == (500, "configuration_error")
        assert "TENANT_DIRECTORY_JSON" in response.text
        assert "TENANT_DIRECTORY_JSON" in json.dumps(caller.platform("health"))
        assert caller.request("/health").status_code == 200


def test_a_directory_keyed_by_host_and_slug_is_read(start: Starter, tmp_path: Path) -> None:
    by_slug = {"one": {**tenant("one", "mirror")}, "bad": {"slug": "bad"}}
    by_host = {"Two.E2E.example": {**tenant("two", "mirror")}}
    document = {"byHost": by_host, "bySlug": by_slug}
    with start(tmp_path, document) as server, Caller(server.url, TOKEN) as caller:
        assert caller.request("/t/one/").headers["x-tenant-id"] == "ten_one"
        assert caller.request("/", host="two.e2e.example").headers["x-tenant-id"] == "ten_two"
        assert "bad" in json.dumps(caller.platform("health"))


def test_without_a_directory_no_api_is_served_and_health_is_ok(
    start: Starter, tmp_path: Path
) -> None:
    with start(tmp_path) as server, Caller(server.url, TOKEN) as caller:
        assert caller.request("/t/mirror/").status_code in {404, 500}
        assert caller.request("/health").status_code == 200
        assert caller.platform("health")["ok"] is True


def test_a_missing_setting_is_a_configuration_error_that_names_it(
    start: Starter, tmp_path: Path
) -> None:
    directory = {"tenants": [tenant("mirror", "mirror")]}
    variables = {"CALLER_HASH_SECRET": ""}
    with start(tmp_path, directory, variables) as server, Caller(server.url, TOKEN) as caller:
        response = caller.request("/t/mirror/")
        assert (response.status_code, response.json()["error"]) == (500, "configuration_error")
        assert "CALLER_HASH_SECRET" in response.text
        assert "CALLER_HASH_SECRET" in json.dumps(caller.platform("health"))


def test_a_script_added_later_is_served_without_a_restart(caller: Caller, namespace: Path) -> None:
    script = namespace / "late-script.js"

    def await_response(status: int, text: str) -> None:
        eventually(
            lambda: (
                (response := caller.request("/t/late-script/")).status_code == status
                and text in response.text
            ),
            f"{status} {text}",
        )

    await_response(404, "worker_not_found")
    for text in ("first", "second"):
        script.write_text(f"export default {{ fetch: () => new Response('{text}') }};")
        await_response(200, text)
    script.unlink()
    await_response(404, "worker_not_found")


def test_a_failing_tenant_does_not_affect_others(server: Server, caller: Caller) -> None:
    assert server.is_running
    for broken in ("unfinished", "ghost", "crafted"):
        caller.request(f"/t/{broken}/throw")
        assert caller.request("/t/mirror/").status_code == 200
