"""Keeps secrets out of all output: messages, logs and tracebacks.

A server may echo a token, and a library may include one in an error message. So every `Secret` is
registered when it is created, and `without_secrets` removes all of them from a text.
"""

from typing import Any, Final

HIDDEN: Final = "[hidden]"
"""The text that replaces a secret."""

_HIDDEN_CHARACTERS_MIN = 6
"""Shorter texts occur in output by chance, and are not worth protecting."""

_known: set[str] = set()


class Secret:
    """A token or password.

    Args:
        text: The secret; only `reveal` returns it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Register the text, so that it is removed from all output from now on."""
        self._text = text
        if len(text) >= _HIDDEN_CHARACTERS_MIN:
            _known.add(text)

    def reveal(self) -> str:
        """Return the text, to send it to the server that it is for."""
        return self._text

    def __bool__(self) -> bool:
        """Whether the text is not empty."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Return a placeholder."""
        return "Secret(…)"

    __str__ = __repr__


def without_secrets(text: str) -> str:
    """Return a text with all registered secrets replaced."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def document_without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with all registered secrets replaced, in names and values."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {
            without_secrets(name): document_without_secrets(part) for name, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [document_without_secrets(part) for part in value]
    return value
