"""Finds the target of a command: a Cloudflare account, or the `make dev` on this machine.

Options take precedence over the environment, and the environment over the `--env` file. A running
`make dev` writes its addresses and tokens into a file in its STATE folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv import dotenv_values

from cli.errors import AccessError, InputError
from cli.secret import Secret
from dev.launch.announcement import NotRunning, Running, find_registered, find_running
from dev.layout import HERE, Layout

CLOUDFLARE_URL: Final = "https://api.cloudflare.com/client/v4"
"""https://developers.cloudflare.com/api/"""

NAMESPACE: Final = "clawr"
"""The dispatch namespace in wrangler.toml."""

SCRIPT_NAME: Final = "CLAWR_SCRIPT_NAME"
DISPATCH_NAMESPACE: Final = "CLOUDFLARE_DISPATCH_NAMESPACE"
USAGE_KV_ID: Final = "CLOUDFLARE_USAGE_KV_ID"
TENANT_KV_ID: Final = "CLOUDFLARE_TENANT_KV_ID"
CONTROL_DB_ID: Final = "CLOUDFLARE_CONTROL_DB_ID"
"""Settings that name the dispatcher of an account and its stores: defaults of options."""


_START: Final = "Run `make dev` in another terminal."


@dataclass(frozen=True, slots=True)
class Account:
    """A Cloudflare account.

    Args:
        url: The API's URL, without a trailing slash.
        account_id: 32 hexadecimal digits.
        token: An API token.
    """

    url: str
    account_id: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """A dispatcher.

    Args:
        url: Its URL, without a trailing slash.
        token: The token of its platform API; may be empty.
    """

    url: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Target:
    """What a command works on.

    Args:
        is_local: Whether it is the `make dev` on this machine.
        settings: The environment merged with the `--env` file.
        state: The STATE folder of `make dev`; `None` for an account.
        known_account: The account, if configured; `account` raises if not.
        known_dispatcher: The dispatcher, if configured; `dispatcher` raises if not.
        payment_settings: The settings for payments of `make dev`; empty for an account.
        tenant_directory: The variable TENANT_DIRECTORY_JSON of `make dev`; `None` for an account.
    """

    is_local: bool
    settings: Mapping[str, str]
    state: Path | None
    known_account: Account | None
    known_dispatcher: Dispatcher | None
    payment_settings: Mapping[str, str] = field(default_factory=dict)
    tenant_directory: str | None = None

    @property
    def account(self) -> Account:
        """Return the account; raises `AccessError` if none is configured."""
        if self.known_account is None:
            missing = [
                name
                for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")
                if not self.settings.get(name)
            ]
            raise AccessError(
                f"No Cloudflare account is configured: {' and '.join(missing)} not set.",
                "Set them in the environment or in the --env file; "
                "docs/deploy.md explains how to create a token. "
                "To work without an account, run `make dev` and use --local.",
            )
        return self.known_account

    @property
    def dispatcher(self) -> Dispatcher:
        """Return the dispatcher; raises `InputError` if its URL is not known."""
        if self.known_dispatcher is None:
            raise InputError(
                "The dispatcher's URL is not known.",
                "Set --url or CLAWR_URL, and PLATFORM_ANALYTICS_TOKEN to its token; "
                "or run `make dev` and use --local.",
            )
        return self.known_dispatcher


def find_target(
    *,
    local: bool | None = None,
    env: Path | None = None,
    state: Path | None = None,
    url: str | None = None,
) -> Target:
    """Return the target that options and environment select.

    Args:
        local: `--local` or `--remote`; `None` selects the account if one is configured, otherwise
            the running `make dev`.
        env: A file of KEY=VALUE lines.
        state: The STATE folder of `make dev`; `None` for the default one.
        url: The dispatcher's URL, if it differs from the configured one.

    Raises:
        InputError: The `--env` file cannot be read, or `local` is true and no `make dev` runs.
    """
    settings = _settings(env)
    is_configured = any(
        settings.get(name)
        for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CLAWR_URL")
    )
    if local or (local is None and not is_configured):
        given = state or (Path(settings["STATE"]) if settings.get("STATE") else None)
        found = _find_local(given, url, must_exist=bool(local))
        if found is not None:
            folder, running = found
            return Target(
                is_local=True,
                settings=settings,
                state=folder,
                known_account=Account(
                    running.api_url, running.account_id, Secret(running.api_token)
                ),
                known_dispatcher=Dispatcher(
                    (url or running.dispatcher_url).rstrip("/"), Secret(running.platform_token)
                ),
                payment_settings=running.payment_settings,
                tenant_directory=running.tenant_directory,
            )
    token, account_id = (
        settings.get("CLOUDFLARE_API_TOKEN"),
        settings.get("CLOUDFLARE_ACCOUNT_ID"),
    )
    base = settings.get("CLOUDFLARE_API_BASE_URL") or CLOUDFLARE_URL
    account = Account(base.rstrip("/"), account_id, Secret(token)) if token and account_id else None
    address = url or settings.get("CLAWR_URL")
    platform_token = Secret(settings.get("PLATFORM_ANALYTICS_TOKEN", ""))
    dispatcher = Dispatcher(address.rstrip("/"), platform_token) if address else None
    return Target(
        is_local=False,
        settings=settings,
        state=None,
        known_account=account,
        known_dispatcher=dispatcher,
    )


def clone() -> Layout:
    """Return the clone that commands use: their own, or the current folder if they have none."""
    return HERE if HERE.is_clone else Layout(Path.cwd())


def _find_local(
    given: Path | None, url: str | None, *, must_exist: bool
) -> tuple[Path, Running] | None:
    """Return the STATE folder of the `make dev` to use, and what it announces there.

    Args:
        given: The folder, if one is given; otherwise the default one, or the only one in use.
        url: The dispatcher's URL, if one is given: without a folder, it selects the `make dev`.
        must_exist: Whether to raise an error if none is found, instead of returning `None`.

    Raises:
        InputError: None is found, or several.
    """
    folder = (given or clone().cache / "state").absolute()
    found: dict[Path, Running] = {}
    try:
        found[folder] = find_running(folder)
    except NotRunning as error:
        if given is not None:
            if must_exist:
                raise InputError(str(error), _START) from error
            return None
    if given is None:
        found |= find_registered(clone().running)
    if url is not None and not (must_exist and given):
        found = {one: at for one, at in found.items() if _port(at.dispatcher_url) == _port(url)}
    if folder in found:
        return folder, found[folder]
    if len(found) > 1:
        listed = [f"  {at.dispatcher_url}  --state {one}" for one, at in found.items()]
        raise InputError(
            "Several `make dev` are running:\n" + "\n".join(listed),
            "Choose one with --state, or with its --url.",
        )
    if not found and must_exist:
        raise InputError(_not_found(folder, url), _START)
    return next(iter(found.items()), None)


def _not_found(folder: Path, url: str | None) -> str:
    if url is not None:
        return f"No `make dev` is running at {url}."
    return f"No `make dev` is running with STATE={folder}, nor with another one."


def _port(url: str) -> int | None:
    """Return the port of a URL of this machine; `None` for any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return port if host in ("localhost", "127.0.0.1", "::1") else None


def _settings(env: Path | None) -> dict[str, str]:
    if env is None:
        return dict(os.environ)
    try:
        with env.open(encoding="utf-8") as file:
            read = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"--env {env} cannot be read: {reason}.") from error
    return {**{name: value for name, value in read.items() if value}, **os.environ}
