"""`clawr unpublish` from end to end."""

import time
from typing import Any, Final

from rich.console import Console

from cli.errors import ConflictError, MissingError
from cli.output import Output
from cli.publish.plan import LOOK_UP_SECONDS, hosts_of, sharing
from cli.publish.steps import unpublish
from cli.publish.store import Store
from core import keys

KV_SECONDS: Final = 60
"""https://developers.cloudflare.com/kv/concepts/how-kv-works/: when a write is seen everywhere."""

MARGIN_SECONDS: Final = 2


def withdraw_api(
    store: Store,
    slug: str,
    output: Output,
    *,
    tenant_id: str | None,
    delete_script: bool,
    is_local: bool,
    execute: bool,
) -> None:
    """Show what unpublishing would do; with `execute`, do it.

    Args:
        store: Where it is published.
        slug: The API.
        output: Where it is shown.
        tenant_id: Whose it must be; anybody's when left out.
        delete_script: Whether its script goes, too.
        is_local: Whether it is of the `make dev`.
        execute: Whether to do it.

    Raises:
        MissingError: Nothing is published under this slug.
        ConflictError: It is another tenant's.
    """
    with output.working("Looking …"):
        record = store.document(keys.tenant(slug))
        kept = store.document(keys.publication(slug))
        if record is None and kept is None:
            raise MissingError(
                f"Nothing is published as {slug}.",
                "`clawr apis` lists what is; an API of TENANT_DIRECTORY_JSON stands in the "
                "dispatcher's configuration.",
            )
        record, kept = record or {}, kept or {}
        if tenant_id and record and record.get("tenantId") != tenant_id:
            raise ConflictError(f"{slug} belongs to {record.get('tenantId')}, not to {tenant_id}.")
        hosts = [one for one in hosts_of(record) if store.text(keys.host(one)) == slug]
        script = record.get("workerName") or kept.get("script")
        others = list(sharing(store, slug, script))
    goes = delete_script and not others and isinstance(script, str)
    wait_seconds = LOOK_UP_SECONDS + MARGIN_SECONDS + (0 if is_local else KV_SECONDS)
    if execute:
        report = output.note if not output.as_json else _silent
        unpublish(store, slug, hosts, report)
        if goes:
            with output.working(f"Waiting {wait_seconds} s until no caller can meet it …"):
                time.sleep(wait_seconds)
            # Somebody may have published it meanwhile.
            others = list(sharing(store, slug, script))
            goes = not others
            if goes:
                report(f"Deleting the script {script} …")
                store.delete_script(str(script))
    document: dict[str, Any] = {
        "slug": slug,
        "executed": execute,
        "hosts": hosts,
        "script": {"name": script, "deleted": goes, "alsoOf": others},
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
        line(f"  host {host} {'leads' if done else 'would lead'} nowhere")
    if script["deleted"]:
        line(f"  script {script['name']} {'deleted' if done else 'would be deleted'}")
    elif script["name"]:
        why = f": it is also that of {', '.join(script['alsoOf'])}" if script["alsoOf"] else ""
        line(f"  script {script['name']} stays{why}")
    if not done:
        line("Nothing was changed: --execute does it.")
    elif not script["deleted"]:
        line(f"Callers may still be served for {document['seenAfterSeconds']} s.")


def _silent(_step: str) -> None:
    pass
