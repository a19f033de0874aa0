"""The fake account's Workers: versions, deployments and triggers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.responses import BAD_REQUEST, InvalidError
from dev.cloudflare_api.scripts.upload import Script, now
from tests.cloudflare.memory import MemoryScripts

MIGRATION_PRECONDITION = 10079
CLASS_EXISTS = 10074
CLASS_NOT_EXPORTED = 10064
CLASS_MISSING = 10061
SECRETS_CHANGED = 10220
"""The code that wrangler recognizes."""

DEPLOYABLE_MAX = 10
"""Only this many of the newest versions can be deployed again.

https://developers.cloudflare.com/workers/configuration/versions-and-deployments/rollbacks/
"""

_SECRET_KINDS = ("secret_text", "secret_key")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a Worker.

    Args:
        id: A UUID.
        number: From 1.
        script: The script.
        metadata: The metadata of the upload; empty for a change of settings.
        migration_tag: The Worker's last Durable Object migration when it was created.
        created_on: When it was created.
    """

    id: str
    number: int
    script: Script
    metadata: Mapping[str, Any]
    migration_tag: str | None = None
    created_on: str = field(default_factory=now)


@dataclass(slots=True)
class Worker:
    """A Worker.

    Args:
        name: The name.
        versions: All versions, oldest first.
        deployments: The deployments, newest last.
        migration_tag: The tag of the last Durable Object migration.
        classes: The Durable Object classes that the migrations have created.
        schedules: The crons.
        is_on_workers_dev: Whether its workers.dev address is enabled.
        has_previews: Whether its preview addresses are enabled.
    """

    name: str
    versions: list[Version] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    migration_tag: str | None = None
    classes: set[str] = field(default_factory=set)
    schedules: list[str] = field(default_factory=list)
    is_on_workers_dev: bool = False
    has_previews: bool = False

    def add_version(self, script: Script, metadata: Mapping[str, Any]) -> Version:
        """Store a version without deploying it."""
        tag, classes = self._migrated(metadata.get("migrations"))
        _check_objects(script, classes)
        self.migration_tag, self.classes = tag, classes
        version = Version(str(uuid4()), len(self.versions) + 1, script, metadata, tag)
        self.versions.append(version)
        return version

    def version(self, version_id: str) -> Version | None:
        """Return a version."""
        return next((one for one in self.versions if one.id == version_id), None)

    @property
    def deployable(self) -> list[Version]:
        """The versions that can be deployed, newest first."""
        newest = self.versions[: -DEPLOYABLE_MAX - 1 : -1]
        return [one for one in newest if one.migration_tag == self.migration_tag]

    def check_deployable(self, version: Version, *, is_forced: bool) -> None:
        """Check that a version can be deployed.

        Raises:
            InvalidError: It is too old, a migration came after it, or secrets have changed since.
        """
        if version not in self.deployable:
            raise InvalidError(
                f"Version {version.id} cannot be deployed: it is not one of the newest ones, or a "
                "Durable Object migration has occurred since.",
                # The real code is not documented.
                code=BAD_REQUEST,
            )
        newest, secrets = _secrets(self.versions[-1].script), _secrets(version.script)
        changed = sorted(
            name for name in {*newest, *secrets} if newest.get(name) != secrets.get(name)
        )
        if changed and not is_forced:
            raise InvalidError(
                f"The following secrets have changed: {', '.join(changed)}", code=SECRETS_CHANGED
            )

    def deploy(self, versions: list[dict[str, Any]], annotations: Mapping[str, Any]) -> None:
        """Deploy versions, each with a percentage of the requests."""
        self.deployments.append(
            {
                "id": str(uuid4()),
                "created_on": now(),
                "source": "wrangler",
                "strategy": "percentage",
                "author_email": "nobody@localhost",
                "annotations": {
                    key: value for key, value in annotations.items() if value is not None
                },
                "versions": versions,
            }
        )

    def _migrated(self, migrations: Mapping[str, Any] | None) -> tuple[str | None, set[str]]:
        """Return the tag and the Durable Object classes after migrations.

        Raises:
            InvalidError: They do not start from the Worker's tag, or create a class that exists.
        """
        if not migrations:
            return self.migration_tag, self.classes
        if migrations.get("old_tag") != self.migration_tag:
            raise InvalidError(
                "migration tag precondition failed; current tag is "
                f"{self.migration_tag!r} and old_tag is {migrations.get('old_tag')!r}",
                code=MIGRATION_PRECONDITION,
            )
        classes = set(self.classes)
        for step in migrations.get("steps") or [migrations]:
            for kind in ("new_classes", "new_sqlite_classes"):
                for name in step.get(kind) or ():
                    if name in classes:
                        what = kind.removesuffix("es").replace("_", "-")
                        raise InvalidError(
                            f"Cannot apply {what} migration to class '{name}' that is already "
                            "depended on by existing Durable Objects",
                            code=CLASS_EXISTS,
                        )
                    classes.add(name)
            classes -= set(step.get("deleted_classes") or ())
        return migrations.get("new_tag"), classes


def _secrets(script: Script) -> dict[str, str]:
    return {
        one["name"]: one.get("text", "") for one in script.bindings if one["type"] in _SECRET_KINDS
    }


def _check_objects(script: Script, classes: set[str]) -> None:
    """Check that the script exports all classes, and that its bindings name some of them."""
    main = next(module.content for module in script.modules if module.name == script.main).decode()
    for name in sorted(classes):
        if not re.search(rf"\b{re.escape(name)}\b", main):
            raise InvalidError(
                f"New version of script does not export class '{name}' which is depended on by "
                "existing Durable Objects",
                code=CLASS_NOT_EXPORTED,
            )
    for one in script.bindings:
        if one["type"] != "durable_object_namespace" or "script_name" in one:
            continue
        if one.get("class_name") not in classes:
            raise InvalidError(
                "Cannot create binding for class "
                f"'{one.get('class_name')}' because it is not currently configured to "
                "implement Durable Objects.",
                code=CLASS_MISSING,
            )


class Workers:
    """The Workers of the account, and a store of their deployed scripts."""

    def __init__(self) -> None:
        """Start empty."""
        self.scripts = MemoryScripts()
        self._workers: dict[str, Worker] = {}

    def find(self, name: str) -> Worker | None:
        """Return a Worker that exists."""
        return self._workers.get(name)

    def all(self) -> list[Worker]:
        """Return all Workers."""
        return [*self._workers.values()]

    def upload(self, script: Script, metadata: Mapping[str, Any]) -> Version:
        """Store a new version of a Worker, which is created if it does not exist."""
        worker = self._workers.get(script.name) or Worker(script.name)
        version = worker.add_version(script, metadata)
        self._workers[script.name] = worker
        return version

    async def deploy(self, name: str, version: Version) -> None:
        """Deploy one version to all requests."""
        self._workers[name].deploy([{"version_id": version.id, "percentage": 100}], {})
        await self.scripts.write(version.script)

    async def remove(self, name: str) -> None:
        """Remove a Worker."""
        del self._workers[name]
        await self.scripts.remove(name)
