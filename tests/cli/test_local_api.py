"""The local API of `make dev`: uploaded scripts serve immediately."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudflare
import httpx
import pytest

from .market import LocalMarket
from .wrangler import wrangler

NAMESPACE = "clawr"

SAYING = b"""
import { word } from "./word.js";
import note from "./note.txt";
export default {
	async fetch(request, env) {
		const stored = env.STORE ? await env.STORE.get("said") : null;
		const { SAID: said, MORE: more, KEY: secret } = env;
		return Response.json({ word, note, said, more, secret, stored });
	},
};
"""
WORD = ("word.js", b'export const word = "spoken";', "application/javascript+module")
NOTE = ("note.txt", b"noted", "text/plain")


@pytest.fixture
def scripts(local_market: LocalMarket) -> Iterator["Scripts"]:
    """The scripts of the local namespace; uploads of a test are removed after it."""
    scripts = Scripts(local_market)
    yield scripts
    for name in scripts.uploaded:
        scripts.api.delete(name, account_id=scripts.account_id, dispatch_namespace=NAMESPACE)


class Scripts:
    """Uploads scripts that return their bindings, each with a directory record."""

    def __init__(self, market: LocalMarket) -> None:
        self.market = market
        self.api = market.account.workers_for_platforms.dispatch.namespaces.scripts
        self.account_id = market.running.account_id
        self.uploaded: set[str] = set()

    def upload(self, name: str, **metadata: Any) -> Any:
        answer = self.api.update(
            name,
            account_id=self.account_id,
            dispatch_namespace=NAMESPACE,
            metadata={
                "main_module": "index.js",
                "compatibility_date": "2026-11-01",
                **metadata,  # type: ignore[typeddict-item]
            },
            files=[("index.js", SAYING, "application/javascript+module"), WORD, NOTE],
        )
        self.uploaded.add(name)
        self.add_record(name)
        return answer

    def add_record(self, name: str) -> None:
        record = {"slug": name, "tenantId": f"ten_{name}", "workerName": name}
        self.market.account.kv.namespaces.bulk_update(
            "TENANT_KV",
            account_id=self.account_id,
            body=[{"key": f"tenant/{name}", "value": json.dumps(record)}],
        )


def test_an_uploaded_script_serves_immediately_with_its_bindings(
    local_market: LocalMarket, scripts: Scripts
) -> None:
    account_id = local_market.running.account_id
    kv = local_market.account.kv.namespaces.create(account_id=account_id, title="of-the-sayer")
    assert kv is not None
    local_market.account.kv.namespaces.values.update(
        "said", account_id=account_id, namespace_id=kv.id, value=b"kept"
    )
    scripts.upload(
        "sayer",
        bindings=[
            {"name": "SAID", "type": "plain_text", "text": "hello"},
            {"name": "MORE", "type": "json", "json": {"deep": [1, 2]}},
            {"name": "KEY", "type": "secret_text", "text": "swordfish"},
            {"name": "STORE", "type": "kv_namespace", "namespace_id": kv.id},
        ],
        tags=["sayers"],
    )
    answer = local_market.call("sayer")
    assert answer.json() == {
        "word": "spoken",
        "note": "noted",
        "said": "hello",
        "more": {"deep": [1, 2]},
        "secret": "swordfish",
        "stored": "kept",
    }
    assert answer.headers["x-tenant-id"] == "ten_sayer"

    scripts.upload(
        "sayer",
        bindings=[{"name": "SAID", "type": "plain_text", "text": "again"}],
        keep_bindings=["secret_text"],
    )
    answer = local_market.call("sayer")
    assert (answer.json()["said"], answer.json()["secret"]) == ("again", "swordfish")
    assert "more" not in answer.json()


def test_secrets_and_tags_change_without_an_upload(
    local_market: LocalMarket, scripts: Scripts
) -> None:
    scripts.upload("keeper", bindings=[{"name": "KEY", "type": "secret_text", "text": "old"}])
    where: dict[str, Any] = {"account_id": scripts.account_id, "dispatch_namespace": NAMESPACE}
    scripts.api.secrets.update("keeper", name="KEY", text="new", type="secret_text", **where)
    assert local_market.call("keeper").json()["secret"] == "new"
    shown = list(scripts.api.secrets.list("keeper", **where))
    assert [(one.name, one.type, getattr(one, "text", None)) for one in shown] == [
        ("KEY", "secret_text", None)
    ]
    scripts.api.secrets.delete("KEY", script_name="keeper", **where)
    assert "secret" not in local_market.call("keeper").json()
    scripts.api.tags.update("keeper", body=["one", "two"], **where)
    assert list(scripts.api.tags.list("keeper", **where)) == ["one", "two"]
    settings = scripts.api.settings.get("keeper", **where)
    assert settings is not None
    assert settings.tags == ["one", "two"]


def test_a_removed_script_is_gone_immediately(local_market: LocalMarket, scripts: Scripts) -> None:
    scripts.upload("leaver")
    assert local_market.call("leaver").status_code == 200
    scripts.api.delete("leaver", account_id=scripts.account_id, dispatch_namespace=NAMESPACE)
    scripts.uploaded.remove("leaver")
    assert local_market.call("leaver").json()["error"] == "worker_not_found"


def test_uploaded_secrets_are_readable_by_the_user_only(
    local_market: LocalMarket, scripts: Scripts
) -> None:
    scripts.upload("hider", bindings=[{"name": "KEY", "type": "secret_text", "text": "swordfish"}])
    folder = local_market.state / "uploads" / "hider"
    holding = [
        one for one in folder.rglob("*") if one.is_file() and b"swordfish" in one.read_bytes()
    ]
    assert {one.name for one in holding} == {"config.json", ".upload.json"}
    assert {one.stat().st_mode & 0o777 for one in holding} == {0o600}
    assert (local_market.state / "running.json").stat().st_mode & 0o777 == 0o600


def test_scripts_of_the_folder_and_uploads_are_listed(
    local_market: LocalMarket, scripts: Scripts
) -> None:
    scripts.upload("joiner")
    answer = httpx.get(
        f"{local_market.running.api_url}/accounts/{scripts.account_id}/workers/dispatch/namespaces/"
        f"{NAMESPACE}/scripts",
        headers={"authorization": f"Bearer {local_market.running.api_token}"},
    )
    listed = {one["id"] for one in answer.json()["result"]}
    assert {"airports", "digest", "feasts", "joiner"} <= listed
    script = scripts.api.get(
        "airports", account_id=scripts.account_id, dispatch_namespace=NAMESPACE
    )
    assert script is not None


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ({"name": "DB", "type": "d1", "database_id": "x"}, "the type d1"),
        ({"name": "B", "type": "r2_bucket", "bucket_name": "b"}, "the type r2_bucket"),
        ({"name": "K", "type": "kv_namespace", "namespace_id": "f" * 32}, "not found"),
        ({"name": "I", "type": "inherit"}, "it did not exist before"),
    ],
)
def test_an_unsupported_binding_is_rejected_by_name(
    scripts: Scripts, binding: dict[str, Any], said: str
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as caught:
        scripts.upload("asker", bindings=[binding])
    message = caught.value.body["errors"][0]["message"]  # type: ignore[index]
    assert binding["name"] in message
    assert said in message
    with pytest.raises(cloudflare.NotFoundError):
        scripts.api.get("asker", account_id=scripts.account_id, dispatch_namespace=NAMESPACE)


def test_the_dispatchers_databases_have_both_names(
    local_market: LocalMarket,
) -> None:
    account_id = local_market.running.account_id
    d1 = local_market.account.d1.database
    assert d1.get("clawr-control", account_id=account_id).uuid is not None
    found = d1.query("CONTROL_DB", account_id=account_id, sql="SELECT count(*) AS n FROM payments")
    assert [one.results for one in found] == [[{"n": 0}]]


def test_wrangler_deploys_into_the_local_namespace(
    local_market: LocalMarket, scripts: Scripts, tmp_path: Path
) -> None:
    (tmp_path / "wrangler.toml").write_text(
        'name = "typed"\nmain = "index.ts"\ncompatibility_date = "2026-11-01"\n'
        '[vars]\nSAID = "by wrangler"\n'
    )
    (tmp_path / "note.txt").write_text("noted")
    (tmp_path / "index.ts").write_text(
        'import note from "./note.txt";\n'
        "type Env = { SAID: string };\n"
        "export default { fetch: (_: Request, env: Env) => new Response(env.SAID + note) };\n"
    )
    scripts.add_record("typed")
    wrangler(local_market.settings, "deploy", "--dispatch-namespace", NAMESPACE, folder=tmp_path)
    scripts.uploaded.add("typed")
    assert local_market.call("typed").text == "by wranglernoted"
    said = wrangler(local_market.settings, "deploy", folder=tmp_path, code=1)
    assert "wrangler deploy --dispatch-namespace clawr" in said


def test_wrangler_reads_and_writes_the_dispatchers_kv(
    local_market: LocalMarket, tmp_path: Path
) -> None:
    where = ("odd/ké y", "--namespace-id", "TENANT_KV", "--remote")
    value = tmp_path / "value"
    value.write_text("of wrangler")
    wrangler(
        local_market.settings, "kv", "key", "put", *where, "--path", str(value), folder=tmp_path
    )
    got = wrangler(local_market.settings, "kv", "key", "get", *where, "--text", folder=tmp_path)
    assert got.splitlines()[-1] == "of wrangler"
    account_id = local_market.running.account_id
    kv = local_market.account.kv.namespaces
    assert [one.name for one in kv.keys.list("TENANT_KV", account_id=account_id, prefix="odd/")]
    kv.values.delete("odd/ké y", account_id=account_id, namespace_id="TENANT_KV")


def test_the_local_api_requires_the_token_and_a_local_host(local_market: LocalMarket) -> None:
    url = f"{local_market.running.api_url}/accounts"
    good = {"authorization": f"Bearer {local_market.running.api_token}"}
    assert httpx.get(url, headers=good).status_code == 200
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={**good, "host": "rebound.example"}).status_code == 403
