"""Carries a plan out, in an order that leaves nothing half-way for callers.

Publishing: the script, what is kept about it, the record, then the hosts that lead to it. So no
request meets a record whose script is not there, and what was interrupted is finished by the same
command. Unpublishing goes the other way.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.publish.plan import TAG, UNCHANGED, Plan, digest_tag, slug_tag
from cli.publish.store import Store
from core import keys

Report = Callable[[str], None]
"""Is told what is done next, in the form "Uploading …"."""


def publish(store: Store, plan: Plan, report: Report) -> None:
    """Do what a plan says.

    Args:
        store: Where.
        plan: What.
        report: Is told of each step.
    """
    slug, tenant = plan.tenant.slug, plan.tenant
    if plan.script_state != UNCHANGED:
        report(f"Uploading {plan.bundle.raw_bytes:,} bytes as {tenant.worker_name} …")
        tags = [TAG, slug_tag(slug), digest_tag(plan.bundle.digest)]
        store.upload(tenant.worker_name, plan.bundle, tags)
    if plan.script_state != UNCHANGED or plan.is_publication_changed:
        report("Writing what is kept about it …")
        stamped = {**plan.publication, "publishedAt": _now()}
        store.write(keys.publication(slug), _json(stamped))
    if plan.changes:
        report("Writing the directory record …")
        store.write(keys.tenant(slug), _json(plan.record))
    for host in plan.hosts_added:
        report(f"Leading {host} there …")
        store.write(keys.host(host), slug)
    for host in plan.hosts_removed:
        report(f"Letting go of {host} …")
        store.delete(keys.host(host))


def unpublish(store: Store, slug: str, hosts: Sequence[str], report: Report) -> None:
    """Take an API out of the directory; its script stays.

    Args:
        store: Where.
        slug: The API.
        hosts: Hosts that lead to it.
        report: Is told of each step.
    """
    for host in hosts:
        report(f"Letting go of {host} …")
        store.delete(keys.host(host))
    report("Deleting the directory record …")
    store.delete(keys.tenant(slug))
    store.delete(keys.publication(slug))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)
