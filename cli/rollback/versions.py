"""Reads the versions of a deployed Worker, and chooses the one to return to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cloudflare

from cli.account_api import explained
from cli.deploy.deployed import result_of
from cli.errors import InputError, MissingError


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a Worker.

    Args:
        id: A UUID.
        number: From 1.
        created_at: When it was uploaded, in Cloudflare's format.
        source: What uploaded it: `wrangler`, `dash`, `api`, …
        tag: Its tag, `clawr-…` if `clawr deploy-dispatcher` uploaded it; may be empty.
        bindings: All bindings, secrets without values.
        migration_tag: The newest migration of Durable Object classes; `None` if there is none.
    """

    id: str
    number: int
    created_at: str
    source: str
    tag: str
    bindings: tuple[Mapping[str, Any], ...] = ()
    migration_tag: str | None = None

    def __str__(self) -> str:
        """Return it in a few words."""
        tag = f", {self.tag}" if self.tag else ""
        return f"{self.id} (number {self.number}, {self.created_at}, {self.source}{tag})"


def served_before(deployments: Sequence[Mapping[str, Any]], serving_id: str) -> str:
    """Return the id of the version that served all requests before the current one.

    Args:
        deployments: All deployments, newest first.
        serving_id: The version that serves now.

    Raises:
        MissingError: There was none.
    """
    for deployment in deployments[1:]:
        for one in deployment["versions"]:
            if float(one["percentage"]) == 100 and one["version_id"] != serving_id:
                return str(one["version_id"])
    raise MissingError(
        "No other version has served all requests before.",
        "Name a version; `npx wrangler versions list` shows them.",
    )


def chosen(versions: Sequence[Version], wanted: str) -> Version:
    """Return the version with an id, the beginning of an id, or a tag.

    Args:
        versions: All versions that can be deployed.
        wanted: What the user gave.

    Raises:
        InputError: Several versions match.
        MissingError: None matches.
    """
    found = [one for one in versions if one.id.startswith(wanted) or one.tag == wanted]
    if len(found) > 1:
        listed = "; ".join(map(str, found))
        raise InputError(f"{len(found)} versions match {wanted!r}: {listed}.", "Give the whole id.")
    if not found:
        listed = "; ".join(map(str, versions)) or "none"
        raise MissingError(f"No version that can be deployed matches {wanted!r}.", f"Use: {listed}")
    return found[0]


def read_deployments(
    client: cloudflare.Cloudflare, account_id: str, script_name: str
) -> Sequence[Mapping[str, Any]]:
    """Return the deployments, newest first; raises `CommandError` if they cannot be read."""
    with explained(f"reading the deployments of {script_name}"):
        raw = client.workers.scripts.deployments.with_raw_response.list(
            script_name, account_id=account_id
        )
    found = result_of(raw).get("deployments") or []
    return sorted(found, key=lambda one: str(one["created_on"]), reverse=True)


def read_versions(
    client: cloudflare.Cloudflare, account_id: str, script_name: str
) -> Sequence[Version]:
    """Return the versions that can be deployed, without bindings; raises `CommandError`."""
    with explained(f"listing the versions of {script_name}"):
        raw = client.workers.scripts.versions.with_raw_response.list(
            script_name, account_id=account_id, deployable=True
        )
    return [_version(one) for one in result_of(raw).get("items") or []]


def read_version(
    client: cloudflare.Cloudflare, account_id: str, script_name: str, version_id: str
) -> Version:
    """Return a version; raises `CommandError` if it cannot be read."""
    with explained(f"reading the version {version_id} of {script_name}"):
        raw = client.workers.scripts.versions.with_raw_response.get(
            version_id, account_id=account_id, script_name=script_name
        )
    return _version(result_of(raw))


def between(versions: Sequence[Version], target: Version, serving: Version) -> Iterator[Version]:
    """Yield the versions after the target, up to the serving one."""
    for one in versions:
        if target.number < one.number <= serving.number:
            yield one


def _version(found: Mapping[str, Any]) -> Version:
    about, resources = found.get("metadata") or {}, found.get("resources") or {}
    notes = found.get("annotations") or {}
    return Version(
        id=str(found["id"]),
        number=int(found.get("number") or 0),
        created_at=str(about.get("created_on") or ""),
        source=str(about.get("source") or "unknown source"),
        tag=str(notes.get("workers/tag") or ""),
        bindings=tuple(resources.get("bindings") or ()),
        migration_tag=(resources.get("script_runtime") or {}).get("migration_tag"),
    )
