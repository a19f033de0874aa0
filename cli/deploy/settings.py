"""Chooses the variables and secrets of a deployment (docs/reference/settings.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cli.errors import InputError
from core.constants import SHARDS_MAX
from core.errors import ConfigurationError
from dev.launch.settings import CALLER_HASH_SECRET, SECRETS, SHARDS, VARIABLES
from payments.facilitator_settings import LIST_SETTING, secrets_named

_REQUIRED: Final = {
    CALLER_HASH_SECRET: "No API can be called without it. Create it once and keep it, because a "
    "new value makes every caller count as a new one: openssl rand -hex 32",
    "PLATFORM_ANALYTICS_TOKEN": "Without it and PLATFORM_TOKENS, analytics cannot be read. "
    "Create it: openssl rand -hex 32",
}

_OF_FACILITATOR: Final = (
    "FACILITATORS names it, and that facilitator cannot be used without it: set it in the"
    " environment or in the --env file, or use wrangler secret put."
)

_TOKENS = ("PLATFORM_ANALYTICS_TOKEN", "PLATFORM_TOKENS")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What happens to each secret.

    Args:
        kept: Names of secrets that the deployed Worker has and keeps.
        fresh: Secrets to set, name to value.
        advice: How to provide each missing secret, by name.
        is_refused: Whether the Worker cannot serve without a missing one.
    """

    kept: tuple[str, ...]
    fresh: Mapping[str, str]
    advice: Mapping[str, str]
    is_refused: bool


def secret_names(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of all secrets, with those that `FACILITATORS` in `settings` names.

    Raises:
        InputError: `FACILITATORS` is unusable.
    """
    try:
        named = secrets_named(settings[LIST_SETTING]) if settings.get(LIST_SETTING) else ()
    except ConfigurationError as error:
        raise InputError(f"{LIST_SETTING} is unusable.", error.message) from error
    return tuple(dict.fromkeys((*SECRETS, *named)))


def confidential_names(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the settings that must not be logged: a node's URL often contains a key."""
    return (*secret_names(settings), "X402_RPC_URL")


def chosen_secrets(
    settings: Mapping[str, str], deployed: frozenset[str], replaced: frozenset[str]
) -> Secrets:
    """Return what happens to each secret.

    Args:
        settings: The environment merged with the `--env` file.
        deployed: Names of the secrets that the deployed Worker has.
        replaced: Names of the secrets to overwrite.

    Raises:
        InputError: A secret to overwrite is not known, or has no value in `settings`.
    """
    names = secret_names(settings)
    for name in sorted(replaced):
        if name not in names:
            raise InputError(
                f"--replace-secret {name} is not a secret.", f"Use one of {', '.join(names)}."
            )
        if not settings.get(name):
            raise InputError(
                f"--replace-secret {name} needs a value, but {name} is not set.",
                "Set it in the environment or in the --env file.",
            )
    fresh = {
        name: settings[name]
        for name in names
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
        {name: _REQUIRED[name] for name in needed}
        | {name: _OF_FACILITATOR for name in names if name not in (*SECRETS, *present)},
        is_refused=CALLER_HASH_SECRET in needed,
    )


def chosen_variables(
    settings: Mapping[str, str], configured: Mapping[str, object], deployed_secrets: frozenset[str]
) -> dict[str, str]:
    """Return the variables to upload.

    A variable that the deployed Worker has as a secret is left out: a Worker cannot have both.

    Args:
        settings: The environment merged with the `--env` file; takes precedence.
        configured: `vars` of wrangler.toml.
        deployed_secrets: Names of the secrets that the deployed Worker has.
    """
    given = {name: settings[name] for name in VARIABLES if settings.get(name)}
    texts = {name: str(value) for name, value in configured.items()}
    return {
        name: value for name, value in {**texts, **given}.items() if name not in deployed_secrets
    }


def check_shards(wanted: str | None, deployed: str | None) -> None:
    """Check the number of shards.

    Args:
        wanted: `USAGE_SHARDS` of the upload; `None` if the variable is left out.
        deployed: That of the deployed Worker.

    Raises:
        InputError: It is no number of shards, or lower than before.
    """
    count = _shards(wanted)
    if count is None:
        raise InputError(
            f"{SHARDS} is {wanted}.", f"Set it to a whole number from 1 to {SHARDS_MAX}."
        )
    before = _shards(deployed) or 1
    if count < before:
        raise InputError(
            f"{SHARDS} is {count}, but the deployed Worker has {before} shards.",
            "It must never be lowered, because the data of the others would no longer be read: "
            f"set it to {before} or more.",
        )


def _shards(text: str | None) -> int | None:
    if text is None:
        return 1
    is_number = text.isascii() and text.isdecimal() and 1 <= int(text) <= SHARDS_MAX
    return int(text) if is_number else None
