"""Checks the names of Workers and dispatch namespaces."""

import re
from typing import Final

from cli.errors import InputError

NAME_CHARACTERS_MAX: Final = 63
"""A Worker's name is a DNS label of its workers.dev address."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def check_name(name: str, what: str) -> str:
    """Return `name` if it is valid.

    Args:
        name: The name.
        what: The kind of resource, for the message.

    Raises:
        InputError: It is too long, or has characters other than a-z, 0-9, `-` and `_`.
    """
    if len(name) > NAME_CHARACTERS_MAX or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid name for a {what}.",
            "Use lowercase letters, digits, - and _, with a letter or digit at both ends, and at "
            f"most {NAME_CHARACTERS_MAX} characters.",
        )
    return name
