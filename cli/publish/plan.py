"""Plans a publication: the changes, and conflicts with slugs, hosts and scripts of others.

Reads the store and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.errors import ConflictError, Finding
from cli.publish.directory import TENANT_KV, VARIABLE, Published
from cli.publish.prices import PriceChange, price_changes, prices
from cli.publish.scripts.bundle import Bundle
from cli.publish.store import Store
from core import keys
from tenants.records import Tenant

NEW: Final = "new"
REPLACED: Final = "replaced"
UNCHANGED: Final = "unchanged"

LOOKUP_SECONDS: Final = 30
"""How long the dispatcher caches a lookup (docs/reference/directory.md)."""

TAG: Final = "clawr"
"""The tag of all scripts published by this command."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a field of the record.

    Args:
        field: The field's name.
        before: The current value; `None` if it is not set.
        after: The new value; `None` if it is removed.
    """

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned publication.

    Args:
        record: The directory record to write.
        tenant: The same, as parsed by the dispatcher.
        bundle: The script.
        script_state: `NEW`, `REPLACED` or `UNCHANGED`.
        changes: The changes of the record; all fields if the API is new.
        prices: The prices by what they are for, as texts.
        price_changes: The prices that change.
        is_new: Whether the slug is not published yet.
        hosts_added: Hosts whose pointers to the slug are written.
        hosts_removed: Hosts whose pointers to the slug are deleted.
        publication: The publication document, which is stored beside the record; without its time.
        is_publication_changed: Whether it differs from the stored one.
        notes: Hints for the user.
    """

    record: Mapping[str, Any]
    tenant: Tenant
    bundle: Bundle
    script_state: str
    changes: Sequence[Change]
    prices: Mapping[str, str]
    price_changes: Sequence[PriceChange]
    is_new: bool
    hosts_added: Sequence[str]
    hosts_removed: Sequence[str]
    publication: Mapping[str, Any]
    is_publication_changed: bool
    notes: Sequence[str]

    @property
    def is_changing(self) -> bool:
        """Whether anything would be sent."""
        return bool(
            self.script_state != UNCHANGED
            or self.changes
            or self.hosts_added
            or self.hosts_removed
            or self.is_publication_changed
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be published.

    Args:
        record: The directory record.
        tenant: The same, as parsed by the dispatcher.
        bundle: The script.
        kept: What the publication document has for the next publication.
        notes: Hints about the record.
    """

    record: Mapping[str, Any]
    tenant: Tenant
    bundle: Bundle
    kept: Mapping[str, Any]
    notes: Sequence[str] = ()


def make_plan(
    store: Store,
    wanted: Wanted,
    published: Published,
    *,
    replace_script: bool,
    renew_secrets: bool,
) -> Plan:
    """Plan a publication.

    Args:
        store: The directory and the scripts.
        wanted: What is to be published.
        published: What is published under the slug.
        replace_script: Whether a script that was not published for this slug may be replaced.
        renew_secrets: Whether to upload the script even if it is unchanged.

    Raises:
        ConflictError: The slug, a host or the script belongs to another tenant or API.
    """
    record, tenant, bundle = wanted.record, wanted.tenant, wanted.bundle
    current, stored = published.record, published.publication
    records = store.records()
    conflicts = [*_slug_conflicts(published, tenant), *_host_conflicts(store, records, tenant)]
    others = other_users(records, tenant.slug, tenant.worker_name)
    conflicts += [
        Finding(f"{slug} of tenant {other.get('tenantId')} uses this script", "--script")
        for slug, other in others.items()
        if other.get("tenantId") != tenant.tenant_id
    ]
    tags = store.script_tags(tenant.worker_name)
    is_ours = (
        stored.get("script") == tenant.worker_name
        or slug_tag(tenant.slug) in (tags or ())
        or bool(others)
        or current.get("workerName") == tenant.worker_name
    )
    if tags is not None and not is_ours and not replace_script:
        conflicts.append(
            Finding(
                f"the namespace {store.namespace} has a script {tenant.worker_name} that was not "
                "published for this API: use another --script, or add --replace-script",
                "--script",
            )
        )
    if conflicts:
        raise ConflictError(
            f"{tenant.slug} cannot be published, because of conflicts with other APIs.",
            "Resolve the conflicts listed above. Nothing was sent.",
            conflicts,
        )
    publication = {
        "version": 2,
        "script": tenant.worker_name,
        "kind": bundle.kind,
        "digest": bundle.digest,
        "bytes": bundle.raw_bytes,
        "about": bundle.about,
        **wanted.kept,
    }
    is_same = digest_tag(bundle.digest) in (tags or ()) and not renew_secrets
    before = {name: value for name, value in stored.items() if name != "publishedAt"}
    in_kv = current if published.source == TENANT_KV else {}
    return Plan(
        record=record,
        tenant=tenant,
        bundle=bundle,
        script_state=UNCHANGED if is_same else NEW if tags is None else REPLACED,
        changes=_changes(in_kv, record),
        prices=prices(tenant),
        price_changes=price_changes(current, tenant),
        is_new=not current,
        hosts_added=[host for host in tenant.hosts if store.text(keys.host(host)) != tenant.slug],
        hosts_removed=[
            host
            for host in hosts_of(in_kv)
            if host not in tenant.hosts and store.text(keys.host(host)) == tenant.slug
        ],
        publication=publication,
        is_publication_changed=before != publication,
        notes=[*_notes(published, tenant, bundle, others, is_same=is_same), *wanted.notes],
    )


def slug_tag(slug: str) -> str:
    """Return the tag that names the API for which a script was published."""
    return f"{TAG}-slug-{slug}"


def digest_tag(digest: str) -> str:
    """Return the tag that identifies a script's content."""
    return f"{TAG}-digest-{digest[:32]}"


def hosts_of(record: Mapping[str, Any]) -> list[str]:
    """Return the hosts of a record that may be invalid."""
    hosts = record.get("hosts")
    return [one for one in hosts if isinstance(one, str)] if isinstance(hosts, list) else []


def other_users(
    records: Mapping[str, Published], slug: str, script: object
) -> dict[str, Mapping[str, Any]]:
    """Return the records of other APIs that use the same script, by slug."""
    return {
        other: one.record
        for other, one in records.items()
        if one.record.get("workerName") == script and other != slug
    }


def _slug_conflicts(published: Published, tenant: Tenant) -> list[Finding]:
    owner = published.record.get("tenantId", tenant.tenant_id)
    if owner == tenant.tenant_id:
        return []
    whose = f" of {VARIABLE}" if published.source == VARIABLE else ""
    return [
        Finding(
            f"{tenant.slug}{whose} belongs to {owner}, not to {tenant.tenant_id}: choose another "
            f"slug, or give --tenant-id {owner} if it is yours",
            "--slug",
        )
    ]


def _host_conflicts(
    store: Store, records: Mapping[str, Published], tenant: Tenant
) -> list[Finding]:
    conflicts = [
        Finding(f"{host} belongs to {slug} of tenant {one.record.get('tenantId')}", "--host")
        for slug, one in records.items()
        if one.source == VARIABLE and slug != tenant.slug
        for host in tenant.hosts
        if host in hosts_of(one.record)
    ]
    for host in tenant.hosts:
        slug = store.text(keys.host(host))
        if slug is None or slug == tenant.slug:
            continue
        other = store.document(keys.tenant(slug)) or {}
        # A pointer to a record that does not have the host is stale, and may be replaced.
        if host in hosts_of(other):
            conflicts.append(
                Finding(f"{host} belongs to {slug} of tenant {other.get('tenantId')}", "--host")
            )
    return conflicts


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _notes(
    published: Published,
    tenant: Tenant,
    bundle: Bundle,
    others: Mapping[str, Any],
    *,
    is_same: bool,
) -> list[str]:
    notes = [*bundle.notes]
    has_price = tenant.price_micros or any(route.price_micros for route in tenant.routes)
    if has_price and not tenant.x402_enabled:
        notes.append("The price is listed, but payment is not required. Add --x402 to require it.")
    options = [option for priced in tenant.priced for option in priced.accepts]
    if not tenant.pay_to and not all(option.pay_to for option in options):
        notes.append("Without --pay-to, payments go to the dispatcher's PAY_TO_ADDRESS.")
    if "?" in bundle.about.get("target", ""):
        notes.append(
            "The URL's query is stored in the script and is shown. Use --secret-header for keys."
        )
    if others and not is_same:
        notes.append(f"The script is also used by {', '.join(sorted(others))}.")
    if bundle.secrets and is_same:
        notes.append(
            "Changed values of secrets cannot be detected. Add --renew-secrets to upload them."
        )
    if published.source == VARIABLE:
        notes.append(f"The record in {TENANT_KV} takes precedence over that of {VARIABLE}.")
    old = published.record.get("workerName")
    if published.source == TENANT_KV and old and old != tenant.worker_name:
        notes.append(f"The previous script {old} stays in the namespace.")
    return notes
