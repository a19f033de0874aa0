"""Reads the deployed Worker through the official SDK.

It reads the version that serves traffic, which after a rollback is not the newest one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cloudflare

from cli.account_api import error_code, explained
from cli.errors import InputError, MissingError
from cli.targets import SCRIPT_NAME

SCRIPT_NOT_FOUND: Final = 10007
"""Cloudflare's error code for a Worker that does not exist.

https://developers.cloudflare.com/api/resources/workers/
"""

SHARD_CLASS: Final = "UsageShard"
"""The Durable Object class by which a dispatcher is recognized."""

DIGEST_VARIABLE: Final = "CLAWR_DIGEST"
"""The variable that a deployment adds: a hash of everything that was uploaded."""

SECRET_TYPES: Final = ("secret_text", "secret_key")
VARIABLE_TYPES: Final = ("plain_text", "json")
_ID_FIELDS = {"kv_namespace": ("namespace_id",), "d1": ("database_id", "id")}
_MIGRATIONS_TABLE = "d1_migrations"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed Worker.

    Args:
        version_id: The version that serves most of the traffic.
        share_percent: Its share of the traffic; below 100 during a gradual deployment.
        created_at: When it was created, in Cloudflare's format.
        source: What created it: `wrangler`, `dash`, `api`, …
        trigger: Why it was created: `upload`, `secret`, …; may be empty.
        bindings: All bindings, in the format of uploads; secrets without values.
        crons: The schedules.
        secrets: The names of the secrets.
        migration_tag: The newest migration of Durable Object classes; `None` if there is none.
    """

    version_id: str
    share_percent: float
    created_at: str
    source: str
    trigger: str
    bindings: tuple[Mapping[str, Any], ...]
    crons: tuple[str, ...]
    secrets: frozenset[str]
    migration_tag: str | None = None

    @property
    def is_by_wrangler(self) -> bool:
        """Whether wrangler uploaded it, apart from secrets that were set since."""
        return self.source == "wrangler" or self.trigger == "secret"

    @property
    def digest(self) -> str | None:
        """The digest of the last deployment by this command; `None` if there was none."""
        if self.source == "dash" and self.trigger != "secret":
            # An edit in the dashboard keeps the variable although the code differs.
            return None
        found = self.binding(DIGEST_VARIABLE)
        return str(found.get("text")) if found else None

    def binding(self, name: str) -> Mapping[str, Any] | None:
        """Return the binding with this name, if any."""
        return next((one for one in self.bindings if one.get("name") == name), None)

    def store_id(self, name: str) -> str | None:
        """Return the id of the KV namespace or database of a binding, if any."""
        found = self.binding(name) or {}
        for field in _ID_FIELDS.get(str(found.get("type")), ()):
            if found.get(field):
                return str(found[field])
        return None

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that are text or whole numbers, by name."""
        values = {
            str(one.get("name")): one.get("text", one.get("json"))
            for one in self.bindings
            if one.get("type") in VARIABLE_TYPES
        }
        return {name: str(value) for name, value in values.items() if type(value) in (str, int)}

    @property
    def dispatch_namespace(self) -> str | None:
        """The dispatch namespace that it is bound to, if any."""
        found = self.binding("DISPATCHER") or {}
        return str(found["namespace"]) if found.get("namespace") else None


def find_dispatcher(
    client: cloudflare.Cloudflare, account_id: str, name: str | None
) -> Deployed | None:
    """Return the deployed dispatcher, or `None` if the account has none.

    Args:
        client: A client for the account's API.
        account_id: The account.
        name: Its name; `None` for the only Worker that has the class `UsageShard`.

    Raises:
        InputError: There are several, and no name is given.
        MissingError: There is no Worker with this name.
        CommandError: The account could not be read.
    """
    found = name or dispatcher_name(client, account_id)
    deployed = read_deployed(client, account_id, found) if found else None
    if name and deployed is None:
        raise MissingError(
            f"The account has no Worker {name}.",
            "`clawr deploy-dispatcher` deploys it; check its name and the account.",
        )
    return deployed


def dispatcher_name(client: cloudflare.Cloudflare, account_id: str) -> str | None:
    """Return the name of the only dispatcher; `None` if there is none.

    Raises `InputError` if there are several, and `CommandError` if they could not be listed.
    """
    with explained("listing Durable Object namespaces"):
        listed = client.durable_objects.namespaces.list(account_id=account_id)
        names = sorted({one.script for one in listed if one.class_ == SHARD_CLASS and one.script})
    if len(names) > 1:
        raise InputError(
            f"The account has {len(names)} dispatchers: {', '.join(names)}.",
            f"Name one with --dispatcher or --script-name, or set {SCRIPT_NAME}.",
        )
    return names[0] if names else None


def read_deployed(
    client: cloudflare.Cloudflare, account_id: str, script_name: str
) -> Deployed | None:
    """Return the deployed Worker, or `None` if it does not exist.

    Args:
        client: A client for the account's API.
        account_id: The account.
        script_name: The Worker's name.

    Raises:
        CommandError: It could not be read.
    """
    scripts = client.workers.scripts
    with explained(f"reading the deployments of {script_name}"):
        try:
            raw = scripts.deployments.with_raw_response.list(script_name, account_id=account_id)
        except cloudflare.NotFoundError as error:
            if error_code(error) != SCRIPT_NOT_FOUND:
                raise
            return None
    deployments = result_of(raw).get("deployments") or []
    versions = deployments[0].get("versions") if deployments else None
    if not versions:
        return None
    serving = max(versions, key=lambda one: float(one["percentage"]))
    with explained(f"reading the active version of {script_name}"):
        version = result_of(
            scripts.versions.with_raw_response.get(
                serving["version_id"], account_id=account_id, script_name=script_name
            )
        )
    with explained(f"reading the schedules of {script_name}"):
        schedules = scripts.schedules.get(script_name, account_id=account_id).schedules
    with explained(f"listing the secrets of {script_name}"):
        secrets = [one.name for one in scripts.secrets.list(script_name, account_id=account_id)]
    about = version.get("metadata") or {}
    resources = version.get("resources") or {}
    return Deployed(
        version_id=str(serving["version_id"]),
        share_percent=float(serving["percentage"]),
        created_at=str(about.get("created_on") or ""),
        source=str(about.get("source") or ""),
        trigger=str((version.get("annotations") or {}).get("workers/triggered_by") or ""),
        bindings=tuple(resources.get("bindings") or ()),
        crons=tuple(one.cron for one in schedules),
        secrets=frozenset(secrets),
        migration_tag=(resources.get("script_runtime") or {}).get("migration_tag"),
    )


def read_domains(client: cloudflare.Cloudflare, account_id: str) -> Mapping[str, str]:
    """Return the account's custom domains: host to the Worker's name.

    Raises:
        CommandError: They could not be read.
    """
    with explained("listing custom domains"):
        found = client.workers.domains.list(account_id=account_id)
        return {str(one.hostname): str(one.service) for one in found}


def applied_migrations(
    client: cloudflare.Cloudflare, account_id: str, database_id: str
) -> frozenset[str]:
    """Return the names of the migrations applied to a database, from wrangler's own table.

    Raises:
        CommandError: The database could not be read.
    """

    def rows(sql: str) -> Sequence[Mapping[str, Any]]:
        page = client.d1.database.query(database_id, account_id=account_id, sql=sql)
        return [dict(row) for one in page.result for row in one.results or ()]  # type: ignore[call-overload]

    with explained("reading the database's migrations"):
        table = rows(f"SELECT name FROM sqlite_master WHERE name = '{_MIGRATIONS_TABLE}'")  # noqa: S608
        if not table:
            return frozenset()
        return frozenset(str(row["name"]) for row in rows(f"SELECT name FROM {_MIGRATIONS_TABLE}"))  # noqa: S608


def result_of(raw: Any) -> Mapping[str, Any]:  # noqa: ANN401 (the SDK's type is not public)
    """Return the object in the envelope of one of the SDK's raw responses; empty if it is none."""
    result = raw.http_response.json().get("result")
    return result if isinstance(result, dict) else {}
