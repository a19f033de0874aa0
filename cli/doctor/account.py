"""Checks the Cloudflare account: the token, its permissions, and the bindings of `wrangler.toml`.

All checks only read. Whether the token may also write is not known before a command writes.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import cloudflare

from cli.account_api import explained, open_account
from cli.deploy.deployed import dispatcher_name, read_deployed
from cli.doctor.check import Check, State
from cli.errors import AccessError, CommandError
from cli.stores import Store, Stores
from cli.targets import SCRIPT_NAME, Account, Target

PART = "account"
EXPIRES_SOON: Final = timedelta(days=14)

_TOKEN_REMEDY = "Create a new token (see docs/deploy.md), and set CLOUDFLARE_API_TOKEN to it."  # noqa: S105
_CREATE = "Run `clawr deploy-dispatcher --create-missing`, which creates it."
_DEPLOY = "Run `clawr deploy-dispatcher`, which deploys it as configured in wrangler.toml."

Names = Mapping[str, str]
"""Resources of an account: ids by title or name."""


@dataclass(frozen=True, slots=True)
class _Permission:
    """A permission that the token needs.

    Args:
        name: Its name on Cloudflare's token page.
        read: Lists the resources that it gives access to.
    """

    name: str
    read: Callable[[Stores], Sequence[Store]]


_SCRIPTS = _Permission(
    "Workers Scripts",
    lambda stores: [
        Store(str(one.id), str(one.id))
        for one in stores.client.workers.scripts.list(account_id=stores.account_id)
    ],
)
_KV = _Permission("Workers KV Storage", Stores.kv_namespaces)
_D1 = _Permission("D1", Stores.databases)
_NAMESPACES = _Permission("Workers for Platforms", Stores.dispatch_namespaces)


def check_account(target: Target, wrangler_toml: Path) -> Iterator[Check]:
    """Check the target's account, if one is configured.

    Args:
        target: The target.
        wrangler_toml: The configuration to compare with.
    """
    if target.known_account is None or not target.known_account.url:
        message = (
            "none is configured" if not target.is_local else "`make dev` serves no account API"
        )
        remedy = "" if target.is_local else "Set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN."
        yield Check(PART, "account", State.UNCHECKED, message, remedy)
        return
    account = target.known_account
    with open_account(account) as client:
        token = _token(client, account) if not target.is_local else None
        if token is not None:
            yield token
            if token.state is State.FAILED:
                return
        found: dict[str, Names] = {}
        for permission in (_SCRIPTS, _KV, _D1, _NAMESPACES):
            check, names = _read_with(client, account, permission)
            yield check
            if names is not None:
                found[permission.name] = names
        if not target.is_local:
            config = tomllib.loads(wrangler_toml.read_text())
            if _SCRIPTS.name in found:
                try:
                    _use_deployed(client, account, target.settings, config)
                except CommandError as error:
                    yield Check(PART, "dispatcher", State.FAILED, error.message, error.advice)
            yield from _stores(config, found)
            yield from _worker(client, account, config, found.get(_SCRIPTS.name))


def _token(client: cloudflare.Cloudflare, account: Account) -> Check:
    try:
        with explained("verifying the token"):
            try:
                verified: Any = client.user.tokens.verify()
            except (cloudflare.AuthenticationError, cloudflare.PermissionDeniedError):
                # A token that belongs to the account, not to a user, has another endpoint.
                verified = client.accounts.tokens.verify(account_id=account.account_id)
    except CommandError as error:
        remedy = _TOKEN_REMEDY if isinstance(error, AccessError) else error.advice
        return Check(PART, "token", State.FAILED, error.message, remedy)
    status = str(getattr(verified, "status", None))
    if status != "active":
        return Check(PART, "token", State.FAILED, f"it is {status}", _TOKEN_REMEDY)
    expires: datetime | None = verified.expires_on
    if expires is None:
        return Check(PART, "token", State.OK, "active, without expiry date")
    is_soon = expires - datetime.now(UTC) < EXPIRES_SOON
    state = State.WARNING if is_soon else State.OK
    message = f"active until {expires:%Y-%m-%d}"
    return Check(PART, "token", state, message, _TOKEN_REMEDY if is_soon else "")


def _read_with(
    client: cloudflare.Cloudflare, account: Account, permission: _Permission
) -> tuple[Check, Names | None]:
    try:
        with explained(f"reading with the permission {permission.name}"):
            stores = permission.read(Stores(client, account.account_id))
    except AccessError as error:
        remedy = f"Add the permission `{permission.name}: Edit` to the token."
        return Check(PART, permission.name, State.FAILED, error.message, remedy), None
    except CommandError as error:
        return Check(PART, permission.name, State.FAILED, error.message, error.advice), None
    names = {store.name: store.id for store in stores}
    return Check(PART, permission.name, State.OK, f"readable; {len(names)} found"), names


def _use_deployed(
    client: cloudflare.Cloudflare,
    account: Account,
    settings: Mapping[str, str],
    config: dict[str, Any],
) -> None:
    """Put the names and ids of the deployed dispatcher, if there is one, into a configuration.

    `clawr deploy-dispatcher` deploys wrangler.toml under other names.
    """
    name = settings.get(SCRIPT_NAME) or dispatcher_name(client, account.account_id)
    if name is None:
        return
    config["name"] = name
    deployed = read_deployed(client, account.account_id, name)
    if deployed is None:
        return
    for kind, field in (("kv_namespaces", "id"), ("d1_databases", "database_id")):
        for one in config.get(kind, ()):
            one[field] = deployed.store_id(one["binding"]) or one.get(field)
    for one in config.get("dispatch_namespaces", ()):
        one["namespace"] = deployed.dispatch_namespace or one["namespace"]


def _stores(config: Mapping[str, Any], found: Mapping[str, Names]) -> Iterator[Check]:
    """Check that the account has the stores that are bound."""
    for one in config.get("kv_namespaces", ()):
        yield from _bound(found.get(_KV.name), one["binding"], one.get("id"), "KV namespace")
    for one in config.get("d1_databases", ()):
        named = one.get("database_id")
        yield from _bound(found.get(_D1.name), one["binding"], named, "D1 database")
    names = found.get(_NAMESPACES.name)
    for one in config.get("dispatch_namespaces", ()) if names is not None else ():
        is_there = one["namespace"] in (names or ())
        yield Check(
            PART,
            one["binding"],
            State.OK if is_there else State.FAILED,
            f"dispatch namespace {one['namespace']}" + ("" if is_there else " does not exist"),
            "" if is_there else _CREATE,
        )


def _worker(
    client: cloudflare.Cloudflare,
    account: Account,
    config: Mapping[str, Any],
    scripts: Names | None,
) -> Iterator[Check]:
    """Compare the deployed Worker's bindings (by name) and cron triggers with `wrangler.toml`."""
    if scripts is None:
        return
    name = config["name"]
    if name not in scripts:
        yield Check(PART, "Worker", State.WARNING, f"{name} is not deployed yet", _DEPLOY)
        return
    try:
        with explained(f"reading the settings of {name}"):
            settings: Any = client.workers.scripts.script_and_version_settings.get(
                name, account_id=account.account_id
            )
            schedules = client.workers.scripts.schedules.get(name, account_id=account.account_id)
    except CommandError as error:
        yield Check(PART, "Worker", State.FAILED, error.message, error.advice)
        return
    bound = {str(one.name) for one in settings.bindings or ()}
    missing = sorted(_binding_names(config) - bound)
    if missing:
        message = f"{name} is deployed without the bindings {', '.join(missing)}"
        yield Check(PART, "Worker", State.FAILED, message, _DEPLOY)
    else:
        yield Check(PART, "Worker", State.OK, f"{name} is deployed with all bindings")
    wanted = set(config.get("triggers", {}).get("crons", ()))
    lacking = wanted - {one.cron for one in schedules.schedules or ()}
    if lacking:
        message = f"the Worker is deployed without {', '.join(sorted(lacking))}"
        yield Check(PART, "cron trigger", State.FAILED, message, _DEPLOY)
    else:
        yield Check(PART, "cron trigger", State.OK, ", ".join(sorted(wanted)) or "none configured")


def _binding_names(config: Mapping[str, Any]) -> set[str]:
    """Return the names of all bindings in `wrangler.toml`."""
    lists = ("kv_namespaces", "d1_databases", "dispatch_namespaces")
    names = {one["binding"] for kind in lists for one in config.get(kind, ())}
    names |= {one["name"] for one in config.get("durable_objects", {}).get("bindings", ())}
    names |= {one["name"] for one in config.get("ratelimits", ())}
    assets = config.get("assets", {}).get("binding")
    return names | ({assets} if assets else set())


def _bound(names: Names | None, binding: str, wanted: str | None, kind: str) -> Iterator[Check]:
    """Check that the account has the store of a binding; `names` is `None` if it is not known."""
    if names is None:
        return
    if not wanted:
        message = f"no {kind} is bound, and wrangler.toml has no id for it"
        remedy = "Give its id to `clawr deploy-dispatcher`, or create it with --create-missing."
        yield Check(PART, binding, State.WARNING, message, remedy)
    elif wanted in names.values():
        name = next(name for name, known in names.items() if known == wanted)
        yield Check(PART, binding, State.OK, f"{kind} {name}")
    else:
        message = f"the account does not have the {kind} {wanted}, which is bound"
        yield Check(PART, binding, State.FAILED, message, _CREATE)
