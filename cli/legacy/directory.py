"""Plans and writes the directory of an older dispatcher: the records that are new and valid."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.errors import InputError
from cli.legacy.events import Listed, NoteEntry
from cli.publish.store import Store
from core import keys
from core.errors import ConfigurationError, RecordRefused
from tenants.records import Tenant, parse_tenant, records_in


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record that will be written.

    Args:
        record: The record.
        tenant: The same, as the dispatcher parses it.
        has_script: Whether the dispatch namespace has its script.
    """

    record: Mapping[str, Any]
    tenant: Tenant
    has_script: bool


@dataclass(slots=True)
class DirectoryPlan:
    """What becomes of each record.

    Args:
        note: Called with each record that is not written.
        new: Those that will be written.
        unchanged: The slugs of those that the directory has already.
        invalid: Those that the dispatcher would reject.
        conflicts: Those whose slug or host has another record.
    """

    note: NoteEntry
    new: list[NewRecord] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    invalid: Listed = field(init=False)
    conflicts: Listed = field(init=False)

    def __post_init__(self) -> None:
        """Start with empty lists."""
        self.invalid = Listed("invalid", self.note)
        self.conflicts = Listed("conflict", self.note)


def plan_directory(document: Mapping[str, Any], store: Store, note: NoteEntry) -> DirectoryPlan:
    """Compare a directory with what the dispatcher has.

    Args:
        document: The old directory, in either shape of docs/reference/directory.md.
        store: The directory and the scripts of the dispatcher.
        note: Called with the kind of each record that is not written, and with the record.

    Raises:
        InputError: It is no directory.
    """
    try:
        records = [*records_in(document)]
    except ConfigurationError as error:
        raise InputError("The file is no tenant directory.", error.message) from error
    plan = DirectoryPlan(note)
    current = store.documents(keys.TENANT_PREFIX)
    taken: dict[str, str] = {}
    hosts = {
        str(host): str(one.get("slug"))
        for one in current.values()
        for host in one.get("hosts") or ()
    }
    for index, (name, record) in enumerate(records):
        try:
            tenant = parse_tenant(record, name)
        except RecordRefused as error:
            plan.invalid.add(index, 0, [f"{error.record}: {'; '.join(error.reasons)}"])
            continue
        known = current.get(keys.tenant(tenant.slug))
        reasons = _conflicts(tenant, known, record, taken, hosts)
        if reasons:
            plan.conflicts.add(index, 0, [f"{name}: {'; '.join(reasons)}"])
            continue
        taken[tenant.slug] = name
        hosts |= dict.fromkeys(tenant.hosts, tenant.slug)
        if known is not None:
            plan.unchanged.append(tenant.slug)
            continue
        has_script = store.script_tags(tenant.worker_name) is not None
        plan.new.append(NewRecord(record, tenant, has_script))
    return plan


def write_directory(plan: DirectoryPlan, store: Store) -> None:
    """Write the new records, and the pointers of their hosts.

    Args:
        plan: The plan.
        store: The directory of the dispatcher.
    """
    for one in plan.new:
        text = json.dumps(one.record, ensure_ascii=False)
        store.write(keys.tenant(one.tenant.slug), text)
        for host in one.tenant.hosts:
            store.write(keys.host(host), one.tenant.slug)


def _conflicts(
    tenant: Tenant,
    known: Mapping[str, Any] | None,
    record: Mapping[str, Any],
    taken: Mapping[str, str],
    hosts: Mapping[str, str],
) -> Sequence[str]:
    reasons = []
    if tenant.slug in taken:
        reasons.append(f"{taken[tenant.slug]} has the same slug {tenant.slug!r}")
    if known is not None and known != record:
        owner = known.get("tenantId")
        reasons.append(
            f"the directory has another record of {tenant.slug!r}, which stays as it is"
            if owner == tenant.tenant_id
            else f"{tenant.slug!r} belongs to {owner}, not to {tenant.tenant_id}"
        )
    reasons += [
        f"{hosts[host]!r} has the host {host}"
        for host in tenant.hosts
        if hosts.get(host, tenant.slug) != tenant.slug
    ]
    return reasons
