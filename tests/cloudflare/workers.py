"""An account's own Workers, as the stand-in keeps them: versions, deployments, triggers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from dev.cloudflare_api.responses import INVALID_SCRIPT, InvalidError
from dev.cloudflare_api.scripts.upload import Script, now
from tests.cloudflare.memory import MemoryScripts


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a Worker.

    Args:
        id: A UUID.
        number: From 1.
        script: What it runs.
        metadata: What was uploaded beside the code; empty for a change of settings.
        created_on: When it was made.
    """

    id: str
    number: int
    script: Script
    metadata: Mapping[str, Any]
    created_on: str = field(default_factory=now)


@dataclass(slots=True)
class Worker:
    """A Worker.

    Args:
        name: Its name.
        versions: All of them, the oldest first.
        deployments: The id of the version of each deployment, the newest last.
        migration_tag: The last migration of Durable Objects that was applied.
        classes: The classes of Durable Objects that the migrations have made.
        schedules: Its crons.
        is_on_workers_dev: Whether it answers at its workers.dev address.
        has_previews: Whether its versions do.
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
        """Keep a version; it is not deployed yet."""
        self.migrate(metadata.get("migrations"))
        self._check_objects(script)
        version = Version(str(uuid4()), len(self.versions) + 1, script, metadata)
        self.versions.append(version)
        return version

    def version(self, version_id: str) -> Version | None:
        """Return a version."""
        return next((one for one in self.versions if one.id == version_id), None)

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

    def migrate(self, migrations: Mapping[str, Any] | None) -> None:
        """Apply migrations of Durable Objects.

        Raises:
            InvalidError: They start from another tag than the Worker's.
        """
        if not migrations:
            return
        if migrations.get("old_tag") != self.migration_tag:
            raise InvalidError(
                "migration tag precondition failed; current tag is "
                f"{self.migration_tag!r} and old_tag is {migrations.get('old_tag')!r}",
                code=MIGRATION_PRECONDITION,
            )
        for step in migrations.get("steps") or [migrations]:
            for kind in ("new_classes", "new_sqlite_classes"):
                self.classes |= set(step.get(kind) or ())
            self.classes -= set(step.get("deleted_classes") or ())
        self.migration_tag = migrations.get("new_tag")

    def _check_objects(self, script: Script) -> None:
        for one in script.bindings:
            if one["type"] != "durable_object_namespace" or "script_name" in one:
                continue
            if one.get("class_name") not in self.classes:
                raise InvalidError(
                    "Cannot create binding for class "
                    f"'{one.get('class_name')}' because it is not currently configured to "
                    "implement Durable Objects.",
                    code=INVALID_SCRIPT,
                )


MIGRATION_PRECONDITION = 10079


class Workers:
    """The Workers of the account; their deployed scripts are a store like any other."""

    def __init__(self) -> None:
        """Start without any."""
        self.scripts = MemoryScripts()
        self._workers: dict[str, Worker] = {}

    def find(self, name: str) -> Worker | None:
        """Return a Worker that exists."""
        return self._workers.get(name)

    def all(self) -> list[Worker]:
        """Return all Workers."""
        return [*self._workers.values()]

    def upload(self, script: Script, metadata: Mapping[str, Any]) -> Version:
        """Keep a new version of a Worker, which is made if there is none."""
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
