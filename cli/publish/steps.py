"""Applies a plan, in an order that is safe for callers at every step.

Publishing writes the script, the publication document, the record, then the host pointers. So no
request finds a record without its script, and the same command completes an interrupted run.
Unpublishing uses the reverse order, and keeps the script.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.publish.plan import TAG, UNCHANGED, Plan, digest_tag, slug_tag
from cli.publish.store import Store
from core import keys

Report = Callable[[str], None]
"""Called with each step, in the form "Uploading …"."""


def publish(store: Store, plan: Plan, report: Report) -> None:
    """Apply a plan.

    Args:
        store: The directory and the scripts.
        plan: The plan.
        report: Called with each step.
    """
    slug, tenant = plan.tenant.slug, plan.tenant
    if plan.script_state != UNCHANGED:
        report(f"Uploading {plan.bundle.raw_bytes:,} bytes as {tenant.worker_name} …")
        tags = [TAG, slug_tag(slug), digest_tag(plan.bundle.digest)]
        store.upload(tenant.worker_name, plan.bundle, tags)
    if plan.script_state != UNCHANGED or plan.is_publication_changed:
        report("Writing the publication document …")
        publication = {**plan.publication, "publishedAt": _now()}
        store.write(keys.publication(slug), _json(publication))
    if plan.changes:
        report("Writing the directory record …")
        store.write(keys.tenant(slug), _json(plan.record))
    for host in plan.hosts_added:
        report(f"Adding the host {host} …")
        store.write(keys.host(host), slug)
    for host in plan.hosts_removed:
        report(f"Removing the host {host} …")
        store.delete(keys.host(host))


def unpublish(store: Store, slug: str, hosts: Sequence[str], report: Report) -> None:
    """Remove an API from the directory.

    Args:
        store: The directory.
        slug: The API.
        hosts: Hosts that point to it.
        report: Called with each step.
    """
    for host in hosts:
        report(f"Removing the host {host} …")
        store.delete(keys.host(host))
    report("Deleting the directory record …")
    store.delete(keys.tenant(slug))
    store.delete(keys.publication(slug))
    store.delete(keys.extension_responses(slug))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)
