"""A Worker with the bindings of a dispatcher, uploaded to a fake account without wrangler."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cli.account_api import open_account
from cli.secret import Secret
from cli.targets import Account
from tests.cloudflare.fake_account import FakeAccount

CODE = (
    "export class UsageShard {}\nexport class QuotaCounter {}\nexport class Other {}\n"
    "export default { fetch: () => new Response() };\n"
)
SHARD = {"type": "durable_object_namespace", "name": "USAGE_SHARD", "class_name": "UsageShard"}


def deploy(
    account: FakeAccount,
    name: str = "market",
    *,
    stores: str | None = None,
    shard: Mapping[str, Any] | None = SHARD,
    bindings: Sequence[Mapping[str, Any]] = (),
    migrations: Mapping[str, Any] | None = None,
    code: str = CODE,
) -> str:
    """Deploy a Worker, and return the id of its version.

    Args:
        account: The account.
        name: The Worker's name.
        stores: Creates and binds the dispatch namespace `STORES-scripts` and the KV namespace
            `STORES-tenants`.
        shard: The binding of its shards.
        bindings: More bindings.
        migrations: Migrations of Durable Object classes; `None` for those of a first upload.
        code: Its main module.
    """
    bound = [*([shard] if shard else []), *bindings]
    if stores is not None:
        account.namespaces.create(f"{stores}-scripts")
        created = asyncio.run(account.kv.create(f"{stores}-tenants"))
        bound += [
            {
                "type": "dispatch_namespace",
                "name": "DISPATCHER",
                "namespace": f"{stores}-scripts",
            },
            {"type": "kv_namespace", "name": "TENANT_KV", "namespace_id": created.id},
        ]
    if migrations is None and account.workers.find(name) is None:
        migrations = {"new_tag": "usage-shard", "new_sqlite_classes": ["UsageShard"]}
    metadata = {
        "main_module": "index.js",
        "compatibility_date": "2026-11-17",
        "bindings": bound,
        **({"migrations": migrations} if migrations else {}),
    }
    target = Account(account.url, account.account_id, Secret(account.token))
    with open_account(target) as client:
        client.put(
            f"/accounts/{account.account_id}/workers/scripts/{name}",
            cast_to=object,
            body={"metadata": metadata},
            files=[("index.js", ("index.js", code.encode(), "application/javascript+module"))],
            options={
                "headers": {"Content-Type": "multipart/form-data"},
                "multipart_syntax": "json",
            },
        )
    worker = account.workers.find(name)
    assert worker is not None
    return worker.versions[-1].id
