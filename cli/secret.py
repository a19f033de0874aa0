"""Text that is never shown: not in a traceback, a log or a message.

A server may send a token back, and a library may put one into its message. So every secret
is known from the moment it is made, and `without_secrets` takes all of them out of whatever is
about to be printed.
"""

from typing import Any, Final

HIDDEN: Final = "[hidden]"
"""What is shown in a secret's place."""

_HIDDEN_CHARACTERS_MIN = 6
"""Shorter texts are found in any output by chance, and are no secrets to anybody."""

_known: set[str] = set()


class Secret:
    """A token or password.

    Args:
        text: What it is; `reveal` alone gives it away.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text, and keep it out of all output from now on."""
        self._text = text
        if len(text) >= _HIDDEN_CHARACTERS_MIN:
            _known.add(text)

    def reveal(self) -> str:
        """Return the text, to be sent to whom it is for."""
        return self._text

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Return a text that says nothing."""
        return "Secret(…)"

    __str__ = __repr__


def without_secrets(text: str) -> str:
    """Return a text without any of the secrets that are known."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def document_without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON document without any of the secrets that are known, in names and values."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {
            without_secrets(name): document_without_secrets(part) for name, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [document_without_secrets(part) for part in value]
    return value
