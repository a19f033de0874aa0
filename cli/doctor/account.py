"""The Cloudflare account: the token, its rights, and what `wrangler.toml` binds.

Everything is asked for by reading. Whether a token may also write shows only when it does.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import cloudflare

from cli.account_api import explained, open_account
from cli.doctor.check import Check, State
from cli.errors import AccessError, CommandError
from cli.targets import Account, Target

PART = "account"
EXPIRES_SOON: Final = timedelta(days=14)

_TOKEN_REMEDY = "Make a new token (docs/deploy.md says how), and set CLOUDFLARE_API_TOKEN to it."  # noqa: S105
_CREATE = "`clawr deploy-dispatcher --create-missing` makes it."
_DEPLOY = "`clawr deploy-dispatcher` deploys it as wrangler.toml has it."

Names = Mapping[str, str]
"""What an account has: ids by title or name."""


@dataclass(frozen=True, slots=True)
class _Right:
    """A right that a token needs.

    Args:
        name: As Cloudflare's token page has it.
        read: Reads what needs the right, and returns what there is: ids by name.
    """

    name: str
    read: Callable[[cloudflare.Cloudflare, str], Names]


_SCRIPTS = _Right(
    "Workers Scripts",
    lambda client, account: {
        str(one.id): str(one.id) for one in client.workers.scripts.list(account_id=account)
    },
)
_KV = _Right(
    "Workers KV Storage",
    lambda client, account: {
        one.title: one.id for one in client.kv.namespaces.list(account_id=account)
    },
)
_D1 = _Right(
    "D1",
    lambda client, account: {
        str(one.name): str(one.uuid) for one in client.d1.database.list(account_id=account)
    },
)
_NAMESPACES = _Right(
    "Workers for Platforms",
    lambda client, account: {
        str(one.namespace_name): str(one.namespace_id)
        for one in client.workers_for_platforms.dispatch.namespaces.list(account_id=account)
    },
)


def check_account(target: Target, wrangler_toml: Path) -> Iterator[Check]:
    """Look at the target's account, if one is configured.

    Args:
        target: What is looked at.
        wrangler_toml: What is deployed.
    """
    if target.known_account is None or not target.known_account.url:
        said = "none is configured" if not target.is_local else "`make dev` serves no API"
        remedy = "" if target.is_local else "Set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN."
        yield Check(PART, "account", State.UNCHECKED, said, remedy)
        return
    account = target.known_account
    with open_account(account) as client:
        token = _token(client, account) if not target.is_local else None
        if token is not None:
            yield token
            if token.state is State.FAILED:
                return
        found: dict[str, Names] = {}
        for right in (_SCRIPTS, _KV, _D1, _NAMESPACES):
            check, names = _right(client, account, right)
            yield check
            if names is not None:
                found[right.name] = names
        if not target.is_local:
            config = tomllib.loads(wrangler_toml.read_text())
            yield from _stores(config, found)
            yield from _worker(client, account, config, found.get(_SCRIPTS.name))


def _token(client: cloudflare.Cloudflare, account: Account) -> Check:
    try:
        with explained("verifying the token"):
            try:
                verified: Any = client.user.tokens.verify()
            except (cloudflare.AuthenticationError, cloudflare.PermissionDeniedError):
                # One that belongs to the account and to no user is verified elsewhere.
                verified = client.accounts.tokens.verify(account_id=account.account_id)
    except CommandError as error:
        remedy = _TOKEN_REMEDY if isinstance(error, AccessError) else error.advice
        return Check(PART, "token", State.FAILED, error.message, remedy)
    status = str(getattr(verified, "status", None))
    if status != "active":
        return Check(PART, "token", State.FAILED, f"it is {status}", _TOKEN_REMEDY)
    expires: datetime | None = verified.expires_on
    if expires is None:
        return Check(PART, "token", State.OK, "active, and never expires")
    is_soon = expires - datetime.now(UTC) < EXPIRES_SOON
    state = State.WARNING if is_soon else State.OK
    said = f"active until {expires:%Y-%m-%d}"
    return Check(PART, "token", state, said, _TOKEN_REMEDY if is_soon else "")


def _right(
    client: cloudflare.Cloudflare, account: Account, right: _Right
) -> tuple[Check, Names | None]:
    try:
        with explained(f"reading with the right {right.name}"):
            names = right.read(client, account.account_id)
    except AccessError as error:
        remedy = f"Give the token the right `{right.name}: Edit`."
        return Check(PART, right.name, State.FAILED, error.message, remedy), None
    except CommandError as error:
        return Check(PART, right.name, State.FAILED, error.message, error.advice), None
    return Check(PART, right.name, State.OK, f"may be read; there are {len(names)}"), names


def _stores(config: Mapping[str, Any], found: Mapping[str, Names]) -> Iterator[Check]:
    """Compare the stores that `wrangler.toml` names with those that the account has."""
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
    """Compare what is deployed with `wrangler.toml`: bindings by name, and cron."""
    if scripts is None:
        return
    name = config["name"]
    if name not in scripts:
        yield Check(PART, "Worker", State.WARNING, f"{name} is not deployed yet", _DEPLOY)
        return
    try:
        with explained(f"reading how {name} is deployed"):
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
        said = f"{name} is deployed without {', '.join(missing)}"
        yield Check(PART, "Worker", State.FAILED, said, _DEPLOY)
    else:
        yield Check(PART, "Worker", State.OK, f"{name} is deployed with all of its bindings")
    wanted = set(config.get("triggers", {}).get("crons", ()))
    lacking = wanted - {one.cron for one in schedules.schedules or ()}
    if lacking:
        said = f"it is deployed without {', '.join(sorted(lacking))}"
        yield Check(PART, "cron trigger", State.FAILED, said, _DEPLOY)
    else:
        yield Check(PART, "cron trigger", State.OK, ", ".join(sorted(wanted)) or "none is wanted")


def _binding_names(config: Mapping[str, Any]) -> set[str]:
    """Return the names of all bindings that `wrangler.toml` asks for."""
    lists = ("kv_namespaces", "d1_databases", "dispatch_namespaces")
    names = {one["binding"] for kind in lists for one in config.get(kind, ())}
    names |= {one["name"] for one in config.get("durable_objects", {}).get("bindings", ())}
    names |= {one["name"] for one in config.get("ratelimits", ())}
    assets = config.get("assets", {}).get("binding")
    return names | ({assets} if assets else set())


def _bound(names: Names | None, binding: str, wanted: str | None, kind: str) -> Iterator[Check]:
    """Compare what `wrangler.toml` names with what the account has, as far as that is known."""
    if names is None:
        return
    if not wanted:
        said = f"wrangler.toml names no {kind}"
        remedy = f"Give its id where you deploy, or let {_CREATE}"
        yield Check(PART, binding, State.WARNING, said, remedy)
    elif wanted in names.values():
        name = next(name for name, known in names.items() if known == wanted)
        yield Check(PART, binding, State.OK, f"{kind} {name}")
    else:
        said = f"the account has no {kind} {wanted}, which wrangler.toml names"
        yield Check(PART, binding, State.FAILED, said, _CREATE)
