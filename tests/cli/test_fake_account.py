"""The fake account accepts the requests of the real wrangler when it deploys a Worker."""

from pathlib import Path

from dev.layout import HERE
from tests.cloudflare import faults
from tests.cloudflare.fake_account import FakeAccount

from .wrangler import wrangler

NAME = "clawr-dispatcher"


def test_the_dispatcher_is_deployed_and_its_database_migrated(fake_account: FakeAccount) -> None:
    wrangler(fake_account.settings, "deploy")
    wrangler(fake_account.settings, "d1", "migrations", "apply", "CONTROL_DB", "--remote")

    worker = fake_account.workers.find(NAME)
    assert worker is not None
    script = worker.versions[-1].script
    assert {one["type"] for one in script.bindings} == {
        "assets",
        "d1",
        "dispatch_namespace",
        "durable_object_namespace",
        "kv_namespace",
        "ratelimit",
    }
    assert script.main == "entry.py"
    assert worker.schedules == ["* * * * *"]
    assert worker.migration_tag == "usage-shard"
    assert worker.classes == {"QuotaCounter", "UsageShard"}
    assert worker.is_on_workers_dev
    assert fake_account.namespaces.names() == ["clawr"]
    uploaded = fake_account.assets.files.values()
    assert (HERE.root / "public" / "explore" / "index.html").read_bytes() in uploaded
    migrations = [
        one.document["sql"] for one in fake_account.requests if one.path.endswith("/query")
    ]
    assert any("CREATE TABLE payments" in sql for sql in migrations)


def test_a_second_deployment_reuses_the_first(fake_account: FakeAccount) -> None:
    wrangler(fake_account.settings, "deploy")
    files = len(fake_account.assets.files)
    before = len(fake_account.requests)
    wrangler(fake_account.settings, "deploy")

    worker = fake_account.workers.find(NAME)
    assert worker is not None
    first, second = worker.versions
    assert first.script.etag == second.script.etag
    assert first.script.bindings == second.script.bindings
    assert worker.deployments[-1]["versions"] == [{"version_id": second.id, "percentage": 100}]
    assert len(fake_account.assets.files) == files
    assert not [one for one in fake_account.requests[before:] if "assets/upload" in one.path]


def test_a_deployment_survives_a_temporary_failure(fake_account: FakeAccount) -> None:
    fake_account.fail("PUT", f"*/workers/scripts/{NAME}", faults.UNAVAILABLE)
    wrangler(fake_account.settings, "deploy")
    puts = [one for one in fake_account.requests if one.method == "PUT" and one.path.endswith(NAME)]
    assert [one.status for one in puts] == [503, 200]


def test_routes_domains_and_secrets_of_a_worker_are_kept(
    fake_account: FakeAccount, tmp_path: Path
) -> None:
    fake_account.zones.add("example.com")
    (tmp_path / "index.js").write_text("export default { fetch: () => new Response() };")
    (tmp_path / "secrets.json").write_text('{"A": "1", "B": "2"}')
    (tmp_path / "wrangler.toml").write_text(
        'name = "shop"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'
        'workers_dev = false\nroutes = [{ pattern = "example.com/*", zone_name = "example.com" }, '
        '{ pattern = "api.example.com", custom_domain = true }]\n'
    )
    wrangler(fake_account.settings, "deploy", folder=tmp_path)
    wrangler(fake_account.settings, "secret", "bulk", "secrets.json", folder=tmp_path)
    wrangler(fake_account.settings, "secret", "delete", "A", folder=tmp_path)

    assert [one["pattern"] for one in fake_account.zones.routes.values()] == ["example.com/*"]
    assert [one["hostname"] for one in fake_account.zones.domains.values()] == ["api.example.com"]
    worker = fake_account.workers.find("shop")
    assert worker is not None
    assert not worker.is_on_workers_dev
    assert [one["name"] for one in worker.versions[-1].script.bindings] == ["B"]
