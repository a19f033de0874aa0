"""Carries out a plan in idempotent steps.

A failure at any step leaves a working Worker: stores and migrations come first, which the deployed
version tolerates, and code and secrets are uploaded as one version.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cli.deploy.bundle import build_bundle
from cli.deploy.configuration import deployment_config, with_digest
from cli.deploy.plan import Plan
from cli.deploy.request import CONTROL_DB
from cli.deploy.resources import Origin, create_missing
from cli.deploy.wrangler import Ran, Wrangler, deploy_arguments
from cli.errors import CommandError, InputError, StartupError
from cli.stores import Stores
from dev.launch.config import load_production_config
from dev.setup.stamp import write_atomically

_SECRETS_FILE: Final = "secrets.json"
_STARTUP = re.compile(r"Startup Time: (\d+) ms")


@dataclass(frozen=True, slots=True)
class Deployment:
    """The result of a deployment.

    Args:
        version_id: The uploaded version; `None` if none was uploaded.
        startup_ms: The startup time that Cloudflare measured, if reported.
        created: Names of the created stores.
        applied: Names of the applied database migrations.
        secrets: Names of the secrets that were set.
        addresses: The Worker's addresses, as reported by wrangler.
    """

    version_id: str | None
    startup_ms: int | None
    created: tuple[str, ...]
    applied: tuple[str, ...]
    secrets: tuple[str, ...]
    addresses: tuple[str, ...]


def check_executable(plan: Plan) -> None:
    """Check that a plan can be carried out.

    Raises:
        InputError: A required secret is missing, or the Worker exceeds the limits of all Cloudflare
            plans.
    """
    if plan.secrets.is_refused:
        missing = [f"{name} is not set. {what}" for name, what in plan.secrets.advice.items()]
        raise InputError(
            " ".join(missing),
            "Set it in the environment or in the --env file, and run the same command again.",
        )
    exceeded = [one for one in plan.measures if one.is_exceeded]
    if exceeded:
        reasons = "; ".join(f"{one.value:,} {one.what}, at most {one.paid:,}" for one in exceeded)
        raise InputError(f"The Worker exceeds Cloudflare's limits: {reasons}.")


def execute(
    plan: Plan, wrangler: Wrangler, stores: Stores, progress: Callable[[str], None]
) -> Deployment:
    """Carry out a plan that has changes.

    Args:
        plan: The plan.
        wrangler: wrangler in the run's folder, with the account.
        stores: The account's stores.
        progress: Called with each step.

    Raises:
        CommandError: A step failed. The next run continues there.
    """
    progress("Creating missing stores …")
    resources = create_missing(plan.resources, stores)
    config, bundle = plan.config, plan.bundle
    if resources != plan.resources:
        config = deployment_config(
            load_production_config(wrangler.layout.wrangler_toml),
            plan.request,
            resources,
            plan.config["vars"],
            plan.own_domains,
        )
        bundle = build_bundle(wrangler, config)
    wrangler.folder.write_config(with_digest(config, bundle.digest))
    if plan.pending:
        progress("Applying the database migrations …")
        wrangler.run(
            *("d1", "migrations", "apply", CONTROL_DB, "--remote"),
            name="migrations",
            failure="The database migrations could not be applied.",
        )
    created = tuple(one.name for one in resources if one.origin is Origin.MADE)
    done = Deployment(None, None, created, plan.pending, (), ())
    if not plan.uploads:
        return done
    progress("Uploading the Worker …")
    secrets_file = None
    if plan.secrets.fresh:
        secrets_file = wrangler.folder.path / _SECRETS_FILE
        write_atomically(secrets_file, json.dumps(dict(plan.secrets.fresh)).encode(), mode=0o600)

    def deploy() -> Ran:
        return wrangler.run(
            *deploy_arguments(bundle.digest, secrets_file),
            name="deploy",
            failure="The Worker could not be deployed.",
        )

    try:
        try:
            ran = deploy()
        except StartupError:
            progress("Loading the Worker took Cloudflare too long; trying once more …")
            ran = deploy()
    finally:
        if secrets_file:
            secrets_file.unlink()
    record = ran.record("deploy")
    if not record.get("version_id"):
        raise CommandError(
            "wrangler succeeded but reported no version, so the deployment cannot be confirmed.",
            "Run the same command again.",
        )
    startup = _STARTUP.search(ran.output)
    return replace(
        done,
        version_id=str(record["version_id"]),
        startup_ms=int(startup[1]) if startup else None,
        secrets=tuple(plan.secrets.fresh),
        addresses=tuple(one for one in record.get("targets") or () if not _is_schedule(one)),
    )


def _is_schedule(target: str) -> bool:
    return target.startswith("schedule:")
