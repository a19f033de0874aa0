"""The official SDK works with the fake account, and all its requests are valid."""

from collections.abc import Mapping
from typing import Any

import cloudflare
import pytest

from dev.cloudflare_api.routes.kv import KEY_BYTES_MAX

from .fake_account import ACCOUNT, FakeAccount

CODE = ("index.js", b"export default { fetch() {} };", "application/javascript+module")


@pytest.fixture(autouse=True)
def nothing_wrong(account: FakeAccount) -> Any:
    """Fail a test whose requests are not as documented."""
    yield
    assert account.record.wrong == []


def message_of(error: cloudflare.APIStatusError) -> dict[str, Any]:
    """Return the first error of an envelope."""
    body: Any = error.body
    assert body["success"] is False
    assert body["result"] is None
    first: dict[str, Any] = body["errors"][0]
    return first


def test_the_account_and_its_token(client: cloudflare.Cloudflare) -> None:
    assert [one.id for one in client.accounts.list()] == [ACCOUNT]
    verified = client.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"
    assert [one.account.id for one in client.memberships.list() if one.account] == [ACCOUNT]


def test_kv_namespaces(client: cloudflare.Cloudflare) -> None:
    kv = client.kv.namespaces
    made = [kv.create(account_id=ACCOUNT, title=title) for title in ("b", "a", "c")]
    assert [one.title for one in kv.list(account_id=ACCOUNT)] == ["a", "b", "c"]
    assert [one.title for one in kv.list(account_id=ACCOUNT, per_page=2)] == ["a", "b", "c"]
    backwards = kv.list(account_id=ACCOUNT, order="title", direction="desc")
    assert [one.title for one in backwards] == ["c", "b", "a"]
    with pytest.raises(cloudflare.BadRequestError) as caught:
        kv.create(account_id=ACCOUNT, title="a")
    assert message_of(caught.value)["code"] == 10014
    first = made[0]
    assert first is not None
    kv.update(first.id, account_id=ACCOUNT, title="d")
    found = kv.get(first.id, account_id=ACCOUNT)
    assert found is not None
    assert found.title == "d"
    kv.delete(first.id, account_id=ACCOUNT)
    with pytest.raises(cloudflare.NotFoundError) as gone:
        kv.get(first.id, account_id=ACCOUNT)
    assert message_of(gone.value)["code"] == 10013


def test_kv_values(client: cloudflare.Cloudflare) -> None:
    made = client.kv.namespaces.create(account_id=ACCOUNT, title="values")
    assert made is not None
    where: dict[str, Any] = {"account_id": ACCOUNT, "namespace_id": made.id}
    values, keys = client.kv.namespaces.values, client.kv.namespaces.keys
    odd = "a/b c?é&%2F"
    values.update(odd, value=b"\x00\xff", metadata={"x": 1}, expiration_ttl=600, **where)
    values.update("plain", value=b"text", **where)
    assert values.get(odd, **where).read() == b"\x00\xff"
    assert client.kv.namespaces.metadata.get(odd, **where) == {"x": 1}
    listed = list(keys.list(made.id, account_id=ACCOUNT, prefix="a/"))
    assert [(one.name, one.metadata) for one in listed] == [(odd, {"x": 1})]
    assert listed[0].expiration is not None
    with pytest.raises(cloudflare.NotFoundError) as missing:
        values.get("missing", **where)
    assert message_of(missing.value)["code"] == 10009
    with pytest.raises(cloudflare.BadRequestError):
        values.update("k" * (KEY_BYTES_MAX + 1), value=b"", **where)
    with pytest.raises(cloudflare.BadRequestError):
        values.update("soon", value=b"", expiration_ttl=59, **where)
    values.delete("plain", **where)
    assert [one.name for one in keys.list(made.id, account_id=ACCOUNT)] == [odd]


def test_kv_in_bulk(client: cloudflare.Cloudflare) -> None:
    kv = client.kv.namespaces
    made = kv.create(account_id=ACCOUNT, title="bulk")
    assert made is not None
    names = [f"key-{number:03}" for number in range(25)]
    written = kv.bulk_update(
        made.id,
        account_id=ACCOUNT,
        body=[{"key": name, "value": name.upper(), "metadata": {"of": name}} for name in names],
    )
    assert written is not None
    assert written.successful_key_count == 25
    paged = kv.keys.list(made.id, account_id=ACCOUNT, limit=10)
    assert [one.name for one in paged] == names
    got: Any = kv.bulk_get(made.id, account_id=ACCOUNT, keys=["key-003", "missing"])
    assert got.values == {"key-003": "KEY-003", "missing": None}
    got = kv.bulk_get(made.id, account_id=ACCOUNT, keys=["key-004"], with_metadata=True)
    assert got.values["key-004"].metadata == {"of": "key-004"}
    kv.bulk_delete(made.id, account_id=ACCOUNT, body=names[1:])
    assert [one.name for one in kv.keys.list(made.id, account_id=ACCOUNT)] == ["key-000"]


def test_databases(client: cloudflare.Cloudflare) -> None:
    d1 = client.d1.database
    made = d1.create(account_id=ACCOUNT, name="books")
    assert made.uuid is not None
    with pytest.raises(cloudflare.BadRequestError) as caught:
        d1.create(account_id=ACCOUNT, name="books")
    assert message_of(caught.value)["code"] == 7502
    assert [one.name for one in d1.list(account_id=ACCOUNT, name="boo")] == ["books"]
    d1.query(made.uuid, account_id=ACCOUNT, sql="CREATE TABLE t (a); -- a table;\nSELECT ';'")
    results = d1.query(
        made.uuid,
        account_id=ACCOUNT,
        batch=[{"sql": "INSERT INTO t VALUES (?)", "params": ["x"]}, {"sql": "SELECT * FROM t"}],
    )
    assert [one.results for one in results] == [[], [{"a": "x"}]]
    (raw,) = d1.raw(made.uuid, account_id=ACCOUNT, sql="SELECT a, 1 AS b FROM t")
    assert raw.results is not None
    assert (raw.results.columns, raw.results.rows) == (["a", "b"], [["x", 1]])
    with pytest.raises(cloudflare.BadRequestError) as refused:
        d1.query(
            made.uuid, account_id=ACCOUNT, batch=[{"sql": "DELETE FROM t"}, {"sql": "nonsense"}]
        )
    assert message_of(refused.value)["code"] == 7500
    (kept,) = d1.query(made.uuid, account_id=ACCOUNT, sql="SELECT count(*) AS n FROM t")
    assert kept.results == [{"n": 1}]
    d1.delete(made.uuid, account_id=ACCOUNT)
    with pytest.raises(cloudflare.NotFoundError):
        d1.get(made.uuid, account_id=ACCOUNT)


def test_dispatch_namespaces_and_their_scripts(client: cloudflare.Cloudflare) -> None:
    namespaces = client.workers_for_platforms.dispatch.namespaces
    namespaces.create(account_id=ACCOUNT, name="clawr")
    with pytest.raises(cloudflare.ConflictError) as caught:
        namespaces.create(account_id=ACCOUNT, name="clawr")
    assert message_of(caught.value)["code"] == 100120
    with pytest.raises(cloudflare.NotFoundError) as missing:
        namespaces.get("other", account_id=ACCOUNT)
    assert message_of(missing.value)["code"] == 100119
    where: dict[str, Any] = {"account_id": ACCOUNT, "dispatch_namespace": "clawr"}
    scripts = namespaces.scripts
    metadata: Any = {
        "main_module": "index.js",
        "bindings": [
            {"name": "A", "type": "plain_text", "text": "a"},
            {"name": "S", "type": "secret_text", "text": "hidden"},
        ],
        "tags": ["one"],
    }
    scripts.update("api", metadata=metadata, files=[CODE], **where)
    assert b"export default { fetch() {} };" in scripts.content.get("api", **where).read()
    settings = scripts.settings.get("api", **where)
    assert settings is not None
    assert "hidden" not in str(settings)
    assert settings.tags == ["one"]
    scripts.settings.edit(
        "api",
        settings={"bindings": [{"name": "S", "type": "inherit"}], "tags": ["two"]},
        **where,
    )
    assert [one.name for one in scripts.bindings.get("api", **where)] == ["S"]
    scripts.secrets.update("api", name="T", text="t", type="secret_text", **where)
    scripts.secrets.bulk_update(
        "api",
        secrets={"S": None, "U": {"name": "U", "text": "u", "type": "secret_text"}},
        **where,
    )
    assert {one.name for one in scripts.secrets.list("api", **where)} == {"T", "U"}
    scripts.tags.update("api", body=["three"], **where)
    assert list(scripts.tags.list("api", **where)) == ["three"]
    described = namespaces.get("clawr", account_id=ACCOUNT)
    assert described is not None
    assert described.script_count == 1
    scripts.delete("api", **where)
    with pytest.raises(cloudflare.NotFoundError):
        scripts.get("api", **where)


def test_durable_object_classes_are_checked_as_cloudflare_does(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    scripts = client.workers.scripts

    def upload(code: str, metadata: Mapping[str, Any]) -> None:
        module = ("index.js", code.encode(), "application/javascript+module")
        sent: Any = {"main_module": "index.js", **metadata}
        scripts.update("objects", account_id=ACCOUNT, metadata=sent, files=[module])

    def refused(code: str, metadata: Mapping[str, Any]) -> str:
        with pytest.raises(cloudflare.BadRequestError) as caught:
            upload(code, metadata)
        return str(message_of(caught.value)["message"])

    def created(name: str, old_tag: str | None, new_tag: str) -> Mapping[str, Any]:
        steps = [{"new_sqlite_classes": [name]}]
        since = {"old_tag": old_tag} if old_tag else {}
        return {"migrations": {**since, "new_tag": new_tag, "steps": steps}}

    binding = {"name": "O", "type": "durable_object_namespace", "class_name": "Two"}
    upload("export class One {}", created("One", None, "v1"))
    two = "export class One {} export class Two {}"
    assert "not currently configured" in refused(two, {"bindings": [binding]})
    assert "does not export class 'Two'" in refused(
        "export class One {}", created("Two", "v1", "v2")
    )
    assert "does not export class 'One'" in refused("export class Two {}", {})
    assert "already depended on" in refused(two, created("One", "v1", "v2"))
    upload(two, {**created("Two", "v1", "v2"), "bindings": [binding]})
    worker = account.workers.find("objects")
    assert worker is not None
    assert (worker.migration_tag, worker.classes) == ("v2", {"One", "Two"})


def test_workers(account: FakeAccount, client: cloudflare.Cloudflare) -> None:
    scripts = client.workers.scripts
    metadata: Any = {
        "main_module": "index.js",
        "bindings": [
            {"name": "Q", "type": "durable_object_namespace", "class_name": "Counter"},
            {"name": "S", "type": "secret_text", "text": "s"},
        ],
        "migrations": {"new_tag": "v1", "steps": [{"new_sqlite_classes": ["Counter"]}]},
    }
    code = ("index.js", b"export class Counter {}", "application/javascript+module")
    scripts.update("shop", account_id=ACCOUNT, metadata=metadata, files=[code])
    assert [one.id for one in scripts.list(account_id=ACCOUNT)] == ["shop"]
    again: Any = {**metadata, "bindings": [], "keep_bindings": ["secret_text"], "migrations": None}
    again.pop("migrations")
    scripts.update("shop", account_id=ACCOUNT, metadata=again, files=[code])
    assert [one.name for one in scripts.secrets.list("shop", account_id=ACCOUNT)] == ["S"]
    with pytest.raises(cloudflare.BadRequestError) as caught:
        scripts.update("shop", account_id=ACCOUNT, metadata=metadata, files=[code])
    assert "migration tag precondition failed" in message_of(caught.value)["message"]
    scripts.schedules.update("shop", account_id=ACCOUNT, body=[{"cron": "* * * * *"}])
    crons = scripts.schedules.get("shop", account_id=ACCOUNT)
    assert crons is not None
    assert [one.cron for one in crons.schedules] == ["* * * * *"]
    scripts.subdomain.create("shop", account_id=ACCOUNT, enabled=True)
    assert scripts.subdomain.get("shop", account_id=ACCOUNT).enabled is True
    scripts.secrets.update("shop", account_id=ACCOUNT, name="T", text="t", type="secret_text")
    worker = account.workers.find("shop")
    assert worker is not None
    assert [one.number for one in worker.versions] == [1, 2, 3]
    deployed: Any = scripts.deployments.list("shop", account_id=ACCOUNT).result
    newest = deployed.model_extra["deployments"][0]["versions"][0]
    assert newest["version_id"] == worker.versions[-1].id
    scripts.delete("shop", account_id=ACCOUNT)
    with pytest.raises(cloudflare.NotFoundError) as missing:
        scripts.get("shop", account_id=ACCOUNT)
    assert message_of(missing.value)["code"] == 10007


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"bindings": [{"name": "K", "type": "kv_namespace", "namespace_id": "f" * 32}]},
            "binding K of type kv_namespace",
        ),
        (
            {"bindings": [{"name": "D", "type": "d1", "database_id": "none"}]},
            "binding D of type d1",
        ),
        (
            {"bindings": [{"name": "N", "type": "dispatch_namespace", "namespace": "none"}]},
            "binding N of type dispatch_namespace",
        ),
        ({"assets": {"jwt": "made.up"}}, "are incomplete"),
    ],
)
def test_a_worker_cannot_bind_missing_resources(
    account: FakeAccount, client: cloudflare.Cloudflare, more: dict[str, Any], said: str
) -> None:
    metadata: Any = {"main_module": "index.js", **more}
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.workers.scripts.update("shop", account_id=ACCOUNT, metadata=metadata, files=[CODE])
    error = message_of(caught.value)
    assert (error["code"], said in error["message"]) == (10021, True)
    assert account.workers.all() == []
