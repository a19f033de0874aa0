"""Plans a deployment, without changing anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.deploy.bundle import Bundle, build_bundle
from cli.deploy.changes import (
    ADDED,
    CHANGED,
    Change,
    binding_changes,
    cron_changes,
    kept_variables,
    object_changes,
)
from cli.deploy.configuration import deployment_config
from cli.deploy.deployed import (
    VARIABLE_TYPES,
    Deployed,
    applied_migrations,
    read_deployed,
    read_domains,
)
from cli.deploy.platform_limits import Measured, measured
from cli.deploy.request import CONTROL_DB, DeployRequest
from cli.deploy.resources import Origin, Resource, find_resources
from cli.deploy.settings import (
    Secrets,
    check_shards,
    chosen_secrets,
    chosen_variables,
)
from cli.deploy.wrangler import Wrangler
from cli.errors import ConflictError, Finding
from cli.stores import Stores
from dev.launch.config import load_production_config
from dev.launch.settings import SHARDS

_MIGRATION = "database migration "


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned deployment.

    Args:
        request: The request.
        resources: The stores.
        config: wrangler's configuration.
        bundle: The Worker to upload.
        secrets: What happens to each secret.
        kept_variables: Names of variables that only the deployed Worker has.
        deployed: The deployed Worker; `None` if there is none or it could not be read.
        not_compared: Why nothing was compared; `None` if it was.
        migrations: The database migrations of this clone.
        pending: The migrations that the database lacks.
        domains: The account's custom domains, host to Worker; read only if the request has any.
    """

    request: DeployRequest
    resources: tuple[Resource, ...]
    config: Mapping[str, Any]
    bundle: Bundle
    secrets: Secrets
    kept_variables: tuple[str, ...]
    deployed: Deployed | None
    not_compared: str | None
    migrations: tuple[str, ...]
    pending: tuple[str, ...]
    domains: Mapping[str, str]

    @property
    def own_domains(self) -> tuple[str, ...]:
        """The Worker's current custom domains."""
        return _own(self.domains, self.request.script_name)

    @property
    def crons(self) -> tuple[str, ...]:
        """The schedules of the upload."""
        return tuple(self.config.get("triggers", {}).get("crons", ()))

    @property
    def object_migrations(self) -> tuple[Mapping[str, Any], ...]:
        """The migrations of Durable Object classes, oldest first."""
        return tuple(self.config.get("migrations", ()))

    @property
    def bindings(self) -> tuple[Mapping[str, Any], ...]:
        """The bindings of the upload, including variables."""
        return tuple(self.bundle.metadata["bindings"])

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes to the deployed Worker; empty if it is up to date."""
        return tuple(self._changes())

    @property
    def uploads(self) -> bool:
        """Whether a version is uploaded; migrations alone need none."""
        return any(not change.what.startswith(_MIGRATION) for change in self.changes)

    @property
    def measures(self) -> tuple[Measured, ...]:
        """The upload's sizes and counts with Cloudflare's limits."""
        texts = [str(one.get("text", "")) for one in self.bindings if _is_variable(one)]
        hidden = [""] * (len(self.secrets.kept) + len(self.secrets.fresh))
        return measured(
            raw_bytes=self.bundle.raw_bytes,
            compressed_bytes=self.bundle.compressed_bytes,
            variables=[*texts, *hidden],
            asset_bytes=[size for size, _ in self.bundle.assets.values()],
            crons=len(self.crons),
        )

    def _changes(self) -> Iterator[Change]:
        for one in self.resources:
            if one.origin is Origin.TO_MAKE:
                yield Change(ADDED, f"the {one.what} {one.name}")
        for name in self.pending:
            yield Change(ADDED, f"{_MIGRATION}{name}")
        for name in self.secrets.fresh:
            is_there = self.deployed is not None and name in self.deployed.secrets
            yield Change(CHANGED if is_there else ADDED, f"secret {name}")
        for host in self.request.domains:
            if host not in self.own_domains:
                yield Change(ADDED, f"domain {host}, replacing its DNS records")
        if self.deployed is None:
            yield Change(ADDED, f"the Worker {self.request.script_name}")
        else:
            yield from self._worker_changes(self.deployed)

    def _worker_changes(self, deployed: Deployed) -> Iterator[Change]:
        is_same = deployed.digest == self.bundle.digest
        # Versions are immutable: a version of this same upload has the same bindings, even if
        # Cloudflare represents them differently.
        compared = list(cron_changes(self.crons, deployed))
        if not (is_same and deployed.is_by_wrangler):
            compared += binding_changes(
                self.bindings, deployed, keeps_variables=self.request.keeps_variables
            )
            compared += object_changes(self.object_migrations, deployed)
        yield from compared
        if deployed.share_percent < 100:
            yield Change(
                CHANGED,
                f"all traffic to the new version; now version {deployed.version_id} gets "
                f"{deployed.share_percent:g} %",
            )
        if deployed.digest is None:
            source = deployed.source or "an unknown source"
            yield Change(CHANGED, f"the version uploaded by {source}")
        elif not is_same and not compared:
            yield Change(CHANGED, "the Worker's code, files or settings")


def make_plan(
    request: DeployRequest,
    settings: Mapping[str, str],
    wrangler: Wrangler,
    stores: Stores | None,
    not_compared: str | None,
) -> Plan:
    """Plan a deployment.

    Args:
        request: The request.
        settings: The environment merged with the `--env` file.
        wrangler: wrangler in the run's folder.
        stores: The account's stores; `None` without an account.
        not_compared: Why there is no account; `None` if there is one.

    Raises:
        CommandError: The account could not be read, a required store is missing, or the Worker
            could not be built.
    """
    deployed = (
        read_deployed(stores.client, stores.account_id, request.script_name) if stores else None
    )
    resources = find_resources(request, stores, deployed)
    production = load_production_config(wrangler.layout.wrangler_toml)
    has_secrets = deployed.secrets if deployed else frozenset()
    variables = chosen_variables(settings, production.get("vars", {}), has_secrets)
    domains = read_domains(stores.client, stores.account_id) if stores and request.domains else {}
    _check_domains(request, domains)
    _check_object_migrations(production.get("migrations", ()), deployed)
    shards = _text(deployed, SHARDS)
    check_shards(variables.get(SHARDS, shards if request.keeps_variables else None), shards)
    own = _own(domains, request.script_name)
    config = deployment_config(production, request, resources, variables, own)
    bundle = build_bundle(wrangler, config)
    migrations = _migrations(wrangler, config)
    return Plan(
        request,
        resources,
        config,
        bundle,
        chosen_secrets(settings, has_secrets, request.replaced_secrets),
        tuple(kept_variables(bundle.metadata["bindings"], deployed)),
        deployed,
        not_compared,
        migrations,
        _pending(migrations, resources, stores),
        domains,
    )


def _check_domains(request: DeployRequest, domains: Mapping[str, str]) -> None:
    # Without a terminal, wrangler takes over another Worker's domain without asking.
    taken = [
        Finding(f"belongs to the Worker {domains[host]}", host)
        for host in request.domains
        if domains.get(host, request.script_name) != request.script_name
    ]
    if taken:
        raise ConflictError(
            "A domain belongs to another Worker.",
            "Remove it from that Worker, or remove the --domain option.",
            taken,
        )


def _check_object_migrations(
    migrations: Sequence[Mapping[str, Any]], deployed: Deployed | None
) -> None:
    # wrangler would apply all migrations again, and Cloudflare would reject classes that exist.
    tag = deployed.migration_tag if deployed else None
    if tag is not None and tag not in (one["tag"] for one in migrations):
        raise ConflictError(
            f"The Worker has the Durable Object migration {tag}, which wrangler.toml lacks.",
            "Deploy a clone of the deployed version or a newer one, or use another --script-name.",
        )


def _own(domains: Mapping[str, str], script_name: str) -> tuple[str, ...]:
    return tuple(sorted(host for host, name in domains.items() if name == script_name))


def _migrations(wrangler: Wrangler, config: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        file.name
        for database in config.get("d1_databases", [])
        for file in sorted((wrangler.layout.root / database["migrations_dir"]).glob("*.sql"))
    )


def _pending(
    migrations: tuple[str, ...], resources: tuple[Resource, ...], stores: Stores | None
) -> tuple[str, ...]:
    database = next(one for one in resources if one.binding == CONTROL_DB)
    if stores is None or database.id is None:
        return migrations
    applied = applied_migrations(stores.client, stores.account_id, database.id)
    return tuple(name for name in migrations if name not in applied)


def _text(deployed: Deployed | None, name: str) -> str | None:
    found = deployed.binding(name) if deployed else None
    return str(found.get("text")) if found else None


def _is_variable(binding: Mapping[str, Any]) -> bool:
    return binding.get("type") in VARIABLE_TYPES
