"""The `curl` commands that `make dev` prints; each can be run unchanged."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """An example command.

    Args:
        purpose: What it shows.
        command: A line for a POSIX shell.
    """

    purpose: str
    command: str


def examples(url: str, tenant_directory: str | None, token: str | None) -> list[Example]:
    """Return example commands for the tenants of a run.

    Args:
        url: The dispatcher's address, without a trailing slash.
        tenant_directory: The tenant directory as JSON text, in either of its two forms.
        token: The platform token; `None` if the run has none.
    """
    tenants = list(_tenants(json.loads(tenant_directory))) if tenant_directory else []
    # Free tenants first, because a priced one responds with 402.
    tenants.sort(key=lambda tenant: bool(tenant.get("priceUsd") or tenant.get("x402Enabled")))
    found = []
    by_slug = next((tenant for tenant in tenants if tenant.get("slug")), None)
    if by_slug:
        found.append(
            Example(f"The API {by_slug['slug']} by its path", curl(f"{url}/t/{by_slug['slug']}/"))
        )
    by_host = next((tenant for tenant in tenants if tenant.get("hosts")), None)
    if by_host:
        host = by_host["hosts"][0]
        found.append(
            Example(
                f"The API {by_host.get('slug', host)} by its host",
                curl("-H", f"Host: {host}", f"{url}/"),
            )
        )
    if not tenants:
        found.append(Example("The Worker itself (there are no tenants)", curl(f"{url}/health")))
    if token:
        analytics = f"{url}/__platform/analytics?window=today"
        found.append(
            Example("What was called", curl("-H", f"Authorization: Bearer {token}", analytics))
        )
    return found


def _tenants(directory: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = directory.get("tenants")
    if isinstance(listed, list):
        yield from (dict(tenant) for tenant in listed if _is_usable(tenant))
    for key, field in (("bySlug", "slug"), ("byHost", "hosts")):
        entries = directory.get(key)
        if isinstance(entries, dict):
            for name, tenant in entries.items():
                if isinstance(tenant, dict):
                    yield {field: [name] if field == "hosts" else name, **tenant}


def _is_usable(tenant: object) -> bool:
    if not isinstance(tenant, dict):
        return False
    hosts = tenant.get("hosts", [])
    return isinstance(hosts, list) and all(isinstance(host, str) for host in hosts)


def curl(*arguments: str) -> str:
    """Return a `curl` command, quoted for the shell."""
    return shlex.join(["curl", *arguments])
