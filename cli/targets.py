"""What a command works on: a Cloudflare account, or the `make dev` that runs on this machine.

Owns where that is said: options first, then the environment, then a file given with `--env`;
a running `make dev` says it by a file in its STATE. Both are the same to commands: an address
of Cloudflare's API with a token, and the address of a dispatcher with its token.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from cli.errors import AccessError, InputError
from cli.secret import Secret
from dev.launch.announcement import NotRunning, find_running
from dev.layout import HERE

CLOUDFLARE_URL: Final = "https://api.cloudflare.com/client/v4"
"""https://developers.cloudflare.com/api/"""

NAMESPACE: Final = "clawr"
"""The dispatch namespace that wrangler.toml names."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where Cloudflare's API is, and whose account is meant.

    Args:
        url: The API's address, without a slash at the end.
        account_id: The account, 32 hexadecimal digits.
        token: An API token of it.
    """

    url: str
    account_id: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Where the dispatcher answers.

    Args:
        url: Its address, without a slash at the end.
        token: Opens its platform API; may be empty.
    """

    url: str
    token: Secret


@dataclass(frozen=True, slots=True)
class Target:
    """What a command works on.

    Args:
        is_local: Whether it is the `make dev` of this machine.
        settings: The environment and the `--env` file, as one.
        state: STATE of `make dev`; `None` for an account.
        known_account: Use `account`, which says what is missing.
        known_dispatcher: Use `dispatcher`, which says what is missing.
    """

    is_local: bool
    settings: Mapping[str, str]
    state: Path | None
    known_account: Account | None
    known_dispatcher: Dispatcher | None

    @property
    def account(self) -> Account:
        """Return the account; raises `AccessError` when it is not configured."""
        if self.known_account is None:
            missing = [
                name
                for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")
                if not self.settings.get(name)
            ]
            raise AccessError(
                f"No Cloudflare account is configured: {' and '.join(missing)} not set.",
                "Set them in the environment or in a file given with --env; "
                "docs/deploy.md says how to make a token. "
                "Without an account, run `make dev` and use --local.",
            )
        return self.known_account

    @property
    def dispatcher(self) -> Dispatcher:
        """Return the dispatcher; raises `InputError` when its address is not known."""
        if self.known_dispatcher is None:
            raise InputError(
                "The dispatcher's address is not known.",
                "Give it with --url or in CLAWR_URL, and its token in PLATFORM_ANALYTICS_TOKEN; "
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
    """Return what is meant by options and environment.

    Args:
        local: `--local` or `--remote`; `None` for the account if one is configured, else for
            the `make dev` that runs.
        env: A file of KEY=VALUE lines.
        state: The STATE of the `make dev` that is meant; the default one if left out.
        url: The dispatcher's address, where it is not what the target says by itself.

    Raises:
        InputError: A file cannot be read, or `--local` was asked for and nothing runs.
    """
    settings = _settings(env)
    is_configured = any(
        settings.get(name)
        for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CLAWR_URL")
    )
    if local or (local is None and not is_configured and url is None):
        folder = (state or Path(settings.get("STATE") or HERE.cache / "state")).absolute()
        try:
            running = find_running(folder)
        except NotRunning as error:
            if local:
                raise InputError(
                    str(error), "Start it with `make dev` in another terminal."
                ) from error
        else:
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
