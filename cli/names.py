"""Names that Cloudflare gives out: of Workers and of dispatch namespaces."""

import re
from typing import Final

from cli.errors import InputError

NAME_CHARACTERS_MAX: Final = 63
"""A Worker's name is a label of its workers.dev address, so DNS bounds it."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def check_name(name: str, what: str) -> str:
    """Return a name that can be used.

    Args:
        name: As it was given.
        what: What it names, for the message.

    Raises:
        InputError: It has other characters than small letters, digits, `-` and `_`, or too many.
    """
    if len(name) > NAME_CHARACTERS_MAX or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a {what}: small letters, digits, - and _, beginning "
            f"and ending with a letter or digit, {NAME_CHARACTERS_MAX} characters at most."
        )
    return name
