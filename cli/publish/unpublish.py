"""Implements `clawr unpublish`."""

import time
from typing import Any, Final

from rich.console import Console

from cli.errors import ConflictError, MissingError
from cli.output import NOTHING_CHANGED, Output
from cli.publish.directory import TENANT_KV, VARIABLE
from cli.publish.plan import LOOKUP_SECONDS, hosts_of, other_users
from cli.publish.steps import unpublish
from cli.publish.store import Store
from core import keys

KV_SECONDS: Final = 60
"""When a KV write is visible everywhere: https://developers.cloudflare.com/kv/concepts/how-kv-works/"""

MARGIN_SECONDS: Final = 2


def unpublish_api(
    store: Store,
    slug: str,
    output: Output,
    *,
    tenant_id: str | None,
    delete_script: bool,
    is_local: bool,
    execute: bool,
) -> None:
    """Show what unpublishing would change; with `execute`, apply it.

    Args:
        store: The directory and the scripts.
        slug: The API.
        output: The output.
        tenant_id: The tenant that the API must belong to; `None` for any.
        delete_script: Whether to delete its script too.
        is_local: Whether the target is `make dev`.
        execute: Whether to apply the changes.

    Raises:
        MissingError: The slug is not published.
        ConflictError: It belongs to another tenant.
    """
    with output.working("Reading …"):
        published = store.published(slug)
        record, publication = published.record, published.publication
        if published.source == VARIABLE:
            raise MissingError(
                f"{slug} is published by the dispatcher's variable {VARIABLE}, not in {TENANT_KV}.",
                "Remove it there; `make dev` has it from TENANTS=FILE or from the demo.",
            )
        if not published.source and not publication:
            raise MissingError(
                f"{slug} is not published.", "`clawr apis` lists the published APIs."
            )
        if tenant_id and record and record.get("tenantId") != tenant_id:
            raise ConflictError(
                f"{slug} belongs to {record.get('tenantId')}, not to {tenant_id}.",
                "Check the slug and --tenant-id.",
            )
        hosts = [one for one in hosts_of(record) if store.text(keys.host(one)) == slug]
        script = record.get("workerName") or publication.get("script")
        others = list(other_users(store.records(), slug, script))
    deletes = delete_script and not others and isinstance(script, str)
    wait_seconds = LOOKUP_SECONDS + MARGIN_SECONDS + (0 if is_local else KV_SECONDS)
    if execute:
        unpublish(store, slug, hosts, output.progress)
        if deletes:
            with output.working(f"Waiting {wait_seconds} s until no request can reach it …"):
                time.sleep(wait_seconds)
            # Another API may have been published with this script in the meantime.
            others = list(other_users(store.records(), slug, script))
            deletes = not others
            if deletes:
                output.progress(f"Deleting the script {script} …")
                store.delete_script(str(script))
    document: dict[str, Any] = {
        "slug": slug,
        "executed": execute,
        "hosts": hosts,
        "script": {"name": script, "deleted": deletes, "alsoOf": others},
        "seenAfterSeconds": wait_seconds,
    }
    output.result(document, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    def line(text: str) -> None:
        console.print(text, markup=False)

    script = document["script"]
    done = document["executed"]
    line(f"{document['slug']}: {'unpublished' if done else 'would be unpublished'}")
    for host in document["hosts"]:
        line(f"  host {host} {'removed' if done else 'would be removed'}")
    if script["deleted"]:
        line(f"  script {script['name']} {'deleted' if done else 'would be deleted'}")
    elif script["name"]:
        reason = f": it is also used by {', '.join(script['alsoOf'])}" if script["alsoOf"] else ""
        line(f"  script {script['name']} kept{reason}")
    if not done:
        line(NOTHING_CHANGED)
    elif not script["deleted"]:
        line(f"Callers may still be served for {document['seenAfterSeconds']} s.")
