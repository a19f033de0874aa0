"""Text that is never shown: not in a traceback, a log or a message."""


class Secret:
    """A token or password.

    Args:
        text: What it is; `reveal` alone gives it away.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

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
