"""Does what a plan says, step by step; each may be repeated.

The order is chosen so that whatever fails leaves a Worker that serves: stores and migrations
come first, which the deployed version does not mind, and code and secrets go up as one version.
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
from cli.deploy.resources import Origin, make_missing
from cli.deploy.wrangler import Wrangler, arguments_of_deployment
from cli.errors import CommandError, InputError
from cli.stores import Stores
from dev.launch.config import load_production_config
from dev.setup.stamp import write_atomically

_SECRETS_FILE: Final = "secrets.json"
_STARTUP = re.compile(r"Startup Time: (\d+) ms")


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was done.

    Args:
        version_id: The version that serves now; `None` if none was uploaded.
        startup_ms: How long Cloudflare saw it take to start; `None` if it did not say.
        made: Names of stores that were made.
        applied: Names of database migrations that were applied.
        secrets: Names of secrets that were set.
        addresses: Where wrangler says that it answers.
    """

    version_id: str | None
    startup_ms: int | None
    made: tuple[str, ...]
    applied: tuple[str, ...]
    secrets: tuple[str, ...]
    addresses: tuple[str, ...]


def check_executable(plan: Plan) -> None:
    """Return if a plan can be carried out.

    Raises:
        InputError: A secret is missing that the Worker cannot serve without, or it is too much
            for any plan of Cloudflare's.
    """
    if plan.secrets.is_refused:
        missing = [f"{name} is not set. {what}" for name, what in plan.secrets.advice.items()]
        raise InputError(
            " ".join(missing),
            "Put it into the environment or into the file given with --env, and run this again.",
        )
    too_much = [one for one in plan.measures if one.is_too_much]
    if too_much:
        said = "; ".join(f"{one.value:,} {one.what}, at most {one.paid:,}" for one in too_much)
        raise InputError(f"Cloudflare would refuse the Worker: {said}.")


def execute(
    plan: Plan, wrangler: Wrangler, stores: Stores, progress: Callable[[str], None]
) -> Deployment:
    """Carry out a plan that has changes.

    Args:
        plan: What to do.
        wrangler: In the folder of the run, with the account.
        stores: The account's.
        progress: Called with what is under way.

    Raises:
        CommandError: A step failed; those before it are done, and the next run goes on there.
    """
    progress("Making what is missing …")
    resources = make_missing(plan.resources, stores)
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
    made = tuple(one.name for one in resources if one.origin is Origin.MADE)
    done = Deployment(None, None, made, plan.pending, (), ())
    if not plan.uploads:
        return done
    progress("Uploading the Worker …")
    secrets_file = None
    if plan.secrets.fresh:
        secrets_file = wrangler.folder.path / _SECRETS_FILE
        write_atomically(secrets_file, json.dumps(dict(plan.secrets.fresh)).encode(), mode=0o600)
    try:
        ran = wrangler.run(
            *arguments_of_deployment(bundle.digest, secrets_file),
            name="deploy",
            failure="The Worker could not be deployed.",
        )
    finally:
        if secrets_file:
            secrets_file.unlink()
    record = ran.record("deploy")
    if not record.get("version_id"):
        raise CommandError(
            "wrangler ended well and named no version: it cannot be said whether it deployed.",
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
