"""The Worker's settings, as far as a deployment must know them (docs/reference/settings.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cli.errors import InputError

CALLER_HASH_SECRET: Final = "CALLER_HASH_SECRET"  # noqa: S105 (the name of a setting)
DIRECTORY: Final = "TENANT_DIRECTORY_JSON"

VARIABLES: Final = (
    DIRECTORY,
    "ALLOW_PUBLIC_PLATFORM_ANALYTICS",
    "ANALYTICS_BASE_URL",
    "FACILITATOR_URL",
    "X402_NETWORK",
    "X402_ASSET",
    "X402_ASSET_NAME",
    "X402_ASSET_VERSION",
    "X402_ASSET_DECIMALS",
    "X402_RPC_URL",
    "PAY_TO_ADDRESS",
)
"""What anybody may see who may see the Worker."""

SECRETS: Final = (
    CALLER_HASH_SECRET,
    "PLATFORM_ANALYTICS_TOKEN",
    "PLATFORM_TOKENS",
    "ANALYTICS_TOKEN",
    "FACILITATOR_API_KEY",
)
"""What Cloudflare keeps and shows nobody."""

CONFIDENTIAL: Final = (*SECRETS, "X402_RPC_URL")
"""What no log may have: an address of a node often holds a key."""

_WITHOUT: Final = {
    CALLER_HASH_SECRET: "No API can be called without it. Make it once and keep it, as changing "
    "it makes every caller a new one: openssl rand -hex 32",
    "PLATFORM_ANALYTICS_TOKEN": "Without it and PLATFORM_TOKENS, figures cannot be read. "
    "Make it: openssl rand -hex 32",
}

_TOKENS = ("PLATFORM_ANALYTICS_TOKEN", "PLATFORM_TOKENS")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What becomes of each secret.

    Args:
        kept: Those that are set on the deployed Worker, and stay.
        fresh: Those that are set now; name to text.
        advice: Of those that are missing: name to what to do about it.
        is_refused: Whether the Worker cannot serve without what is missing.
    """

    kept: tuple[str, ...]
    fresh: Mapping[str, str]
    advice: Mapping[str, str]
    is_refused: bool


def chosen_secrets(
    settings: Mapping[str, str], deployed: frozenset[str], replaced: frozenset[str]
) -> Secrets:
    """Return what becomes of each secret.

    Args:
        settings: The environment and the `--env` file.
        deployed: Names of the secrets that the deployed Worker has.
        replaced: Names of those to be set anew, though they are there.

    Raises:
        InputError: One that is to be set anew is no secret, or has no text in `settings`.
    """
    for name in sorted(replaced):
        if name not in SECRETS:
            raise InputError(f"{name} is no secret: {', '.join(SECRETS)} are.")
        if not settings.get(name):
            raise InputError(f"{name} is not set, and so cannot replace what is deployed.")
    fresh = {
        name: settings[name]
        for name in SECRETS
        if settings.get(name) and (name not in deployed or name in replaced)
    }
    kept = tuple(sorted(deployed - fresh.keys()))
    present = {*kept, *fresh}
    needed = [CALLER_HASH_SECRET] if CALLER_HASH_SECRET not in present else []
    if present.isdisjoint(_TOKENS):
        needed.append(_TOKENS[0])
    return Secrets(
        kept,
        fresh,
        {name: _WITHOUT[name] for name in needed},
        is_refused=CALLER_HASH_SECRET in needed,
    )


def chosen_variables(
    settings: Mapping[str, str], configured: Mapping[str, object], deployed_secrets: frozenset[str]
) -> dict[str, str]:
    """Return the variables that are uploaded.

    One that the deployed Worker has as a secret stays a secret: an upload cannot have both.

    Args:
        settings: The environment and the `--env` file; they win.
        configured: `vars` of wrangler.toml.
        deployed_secrets: Names of the secrets that the deployed Worker has.
    """
    given = {name: settings[name] for name in VARIABLES if settings.get(name)}
    texts = {name: str(value) for name, value in configured.items()}
    return {
        name: value for name, value in {**texts, **given}.items() if name not in deployed_secrets
    }
