"""The `curl` commands that `make dev` prints; each can be run unchanged."""

import shlex
from dataclasses import dataclass

from core.errors import ConfigurationError
from tenants.records import Tenant, parse_directory


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
    tenants = usable_tenants(tenant_directory)
    # Free tenants first, because a priced one responds with 402.
    tenants.sort(key=lambda tenant: tenant.is_priced)
    found = []
    if tenants:
        slug = tenants[0].slug
        found.append(Example(f"The API {slug} by its path", curl(f"{url}/t/{slug}/")))
    by_host = next((tenant for tenant in tenants if tenant.hosts), None)
    if by_host:
        header = f"Host: {by_host.hosts[0]}"
        found.append(Example(f"The API {by_host.slug} by its host", curl("-H", header, f"{url}/")))
    if not tenants:
        found.append(
            Example("The Worker itself (there are no usable tenants)", curl(f"{url}/health"))
        )
    if token:
        analytics = f"{url}/__platform/analytics?window=today"
        found.append(
            Example("What was called", curl("-H", f"Authorization: Bearer {token}", analytics))
        )
    return found


def usable_tenants(tenant_directory: str | None) -> list[Tenant]:
    """Return the tenants that the dispatcher serves, in the order of the directory.

    Args:
        tenant_directory: The tenant directory as JSON text, in either of its two forms.
    """
    try:
        return [*parse_directory(tenant_directory).by_slug.values()] if tenant_directory else []
    except ConfigurationError:
        # It is no directory; the dispatcher's health says why.
        return []


def curl(*arguments: str) -> str:
    """Return a `curl` command, quoted for the shell."""
    # Without -g, curl reads brackets and braces in a URL as ranges of URLs.
    has_range = any(one in argument for argument in arguments[-1:] for one in "[]{}")
    return shlex.join(["curl", *(["-g"] if has_range else []), *arguments])
