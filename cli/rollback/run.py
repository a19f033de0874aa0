"""Runs `clawr rollback`: compares two versions, deploys the earlier one, checks it, prints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cloudflare
from rich.console import Console

from cli.account_api import error_code, explained, open_account
from cli.deploy.changes import Change, binding_changes
from cli.deploy.deployed import SECRET_TYPES, Deployed, dispatcher_name, read_deployed
from cli.deploy.inspection import Inspection, address, inspect
from cli.errors import ConflictError, MissingError
from cli.output import NOTHING_CHANGED, Output
from cli.rollback.versions import (
    Version,
    between,
    chosen,
    read_deployments,
    read_version,
    read_versions,
    served_before,
)
from cli.secret import Secret
from cli.targets import SCRIPT_NAME, Target
from dev.launch.settings import SHARDS

SECRETS_CHANGED: Final = 10220
"""Cloudflare's error code if secrets have changed since the version; `force` deploys it anyway."""

MESSAGE: Final = "clawr rollback"

_STAYS = (
    "Stores keep their contents, and migrations of the database stay applied.",
    "Secrets and variables are those of the earlier version.",
    "The next `clawr deploy-dispatcher --execute` deploys the clone's version again.",
)


@dataclass(frozen=True, slots=True)
class Rollback:
    """A planned rollback.

    Args:
        script_name: The Worker.
        serving: The version that serves most requests.
        target: The version to return to.
        undone: The versions between them, newest first.
        changes: The differences of bindings and variables.
        is_done: Whether the target serves all requests already.
    """

    script_name: str
    serving: Version
    target: Version
    undone: tuple[Version, ...]
    changes: tuple[Change, ...]
    is_done: bool

    @property
    def document(self) -> dict[str, Any]:
        """The rollback as JSON."""
        return {
            "scriptName": self.script_name,
            "serving": _shown(self.serving),
            "target": _shown(self.target),
            "undone": [_shown(one) for one in self.undone],
            "changes": [{"sign": one.sign, "what": one.what} for one in self.changes],
            "upToDate": self.is_done,
            "warnings": list(_STAYS),
        }

    def show(self, console: Console) -> None:
        """Print it."""
        lines = [f"Worker {self.script_name}", f"  serves     {self.serving}"]
        if self.is_done:
            lines.append("It serves all requests already. Nothing to do.")
        else:
            lines.append(f"  return to  {self.target}")
            lines += [f"  undoes     {one}" for one in self.undone if one.id != self.serving.id]
            lines += [f"  {one}" for one in self.changes]
            lines += _STAYS
        for line in lines:
            console.print(line, markup=False)


def roll_back(
    target: Target,
    output: Output,
    *,
    script_name: str | None,
    wanted: str | None,
    is_executed: bool,
    restores_secrets: bool,
    wait_seconds: float,
) -> None:
    """Show what a rollback would restore; with `is_executed`, do it and check the dispatcher.

    Args:
        target: The account and, if known, the dispatcher's URL.
        output: The output.
        script_name: The Worker; `None` for the setting or the only dispatcher.
        wanted: The version's id, the beginning of it, or its tag; `None` for the one before.
        is_executed: Whether to do it.
        restores_secrets: Whether to do it although secrets have changed since.
        wait_seconds: How long to wait for the dispatcher to respond.

    Raises:
        FindingError: The dispatcher has problems.
        ConflictError: The version does not fit what is stored now, or secrets have changed.
        CommandError: Cloudflare could not be reached or refused.
    """
    account = target.account
    with open_account(account) as client:
        with output.working("Reading the versions …"):
            name = script_name or target.settings.get(SCRIPT_NAME)
            name = name or dispatcher_name(client, account.account_id)
            if name is None:
                raise MissingError("The account has no dispatcher.", "Name it with --script-name.")
            plan = _plan(client, account.account_id, name, wanted)
        if not is_executed or plan.is_done:
            _show_plan(plan, output)
            return
        if not output.as_json:
            plan.show(output.console)
        with output.working(f"Deploying the version {plan.target.id} …"):
            _deploy(client, account.account_id, plan, is_forced=restores_secrets)
        with output.steps() as progress:
            known = target.known_dispatcher
            url = known.url if known else address(client, account.account_id, name)
            token = Secret(target.settings.get("PLATFORM_ANALYTICS_TOKEN", ""))
            inspection = inspect(url, token, wait_seconds, progress)
    _show_result(plan, inspection, output)


def _plan(
    client: cloudflare.Cloudflare, account_id: str, name: str, wanted: str | None
) -> Rollback:
    deployed = read_deployed(client, account_id, name)
    if deployed is None:
        raise MissingError(f"The account has no Worker {name}.", "Check its name and the account.")
    serving = read_version(client, account_id, name, deployed.version_id)
    versions = read_versions(client, account_id, name)
    if wanted is None:
        earlier = served_before(read_deployments(client, account_id, name), serving.id)
    else:
        earlier = serving.id if serving.id == wanted else chosen(versions, wanted).id
    target = read_version(client, account_id, name, earlier)
    _check(serving, target)
    return Rollback(
        name,
        serving,
        target,
        tuple(between(versions, target, serving)),
        (
            *binding_changes(target.bindings, deployed, keeps_variables=False),
            *_secrets(deployed, target),
        ),
        is_done=target.id == serving.id and deployed.share_percent == 100,
    )


def _check(serving: Version, target: Version) -> None:
    if target.migration_tag != serving.migration_tag:
        raise ConflictError(
            f"The version {target.id} has the Durable Object migration "
            f"{target.migration_tag or '(none)'}, the serving one {serving.migration_tag}. "
            "Cloudflare does not roll back across migrations.",
            "Deploy a corrected version with `clawr deploy-dispatcher` instead: check out the "
            "earlier commit, and keep the migrations of wrangler.toml.",
        )
    before, after = (_shards(one) for one in (serving, target))
    if after < before:
        raise ConflictError(
            f"The version {target.id} has {after} shards, the serving one {before}: the totals of "
            "the others would no longer be read.",
            "Deploy the earlier commit with `clawr deploy-dispatcher` instead, which keeps "
            f"{SHARDS}.",
        )


def _shards(version: Version) -> int:
    found = next((one for one in version.bindings if one.get("name") == SHARDS), {})
    text = str(found.get("text") or 1)
    return int(text) if text.isdecimal() else 1


def _secrets(deployed: Deployed, target: Version) -> Iterator[Change]:
    """Yield the secrets that only one of the versions has."""
    names = {one["name"] for one in target.bindings if one.get("type") in SECRET_TYPES}
    for name in sorted(names ^ deployed.secrets):
        yield Change("+" if name in names else "-", f"secret {name}")


def _deploy(
    client: cloudflare.Cloudflare, account_id: str, plan: Rollback, *, is_forced: bool
) -> None:
    with explained(f"deploying the version {plan.target.id}"):
        try:
            client.workers.scripts.deployments.create(
                plan.script_name,
                account_id=account_id,
                strategy="percentage",
                versions=[{"version_id": plan.target.id, "percentage": 100}],
                annotations={"workers_message": MESSAGE},
                force=is_forced,
            )
        except cloudflare.APIStatusError as error:
            if error_code(error) != SECRETS_CHANGED:
                raise
            raise ConflictError(
                f"Secrets have changed since the version {plan.target.id}, and a rollback restores "
                "their old values. Nothing was changed.",
                "If the old values still work, add --restore-secrets; then set the new ones again "
                "with `clawr deploy-dispatcher --replace-secret`.",
            ) from error


def _show_plan(plan: Rollback, output: Output) -> None:
    def show(console: Console) -> None:
        plan.show(console)
        if not plan.is_done:
            console.print(NOTHING_CHANGED, markup=False)

    output.result({"executed": False, **plan.document}, show)


def _show_result(plan: Rollback, inspection: Inspection, output: Output) -> None:
    problems: Sequence[str] = inspection.problems
    document = {
        "executed": True,
        **plan.document,
        "inspection": {
            "url": inspection.url,
            "answers": inspection.responds,
            "problems": list(problems),
        },
    }

    def show(console: Console) -> None:
        console.print(f"The version {plan.target.id} serves all requests.", markup=False)
        for problem in problems:
            console.print(f"  {problem}", markup=False)

    if problems:
        output.finding(document, show, "The dispatcher has problems.", problems[0])
    output.result(document, show)


def _shown(version: Version) -> dict[str, Any]:
    return {
        "versionId": version.id,
        "number": version.number,
        "madeAt": version.created_at,
        "source": version.source,
        "tag": version.tag or None,
        "migration": version.migration_tag,
    }
