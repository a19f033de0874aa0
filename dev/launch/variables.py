"""The settings and secrets of one run, as `VARS="KEY=VALUE …"` gives them."""

import re
import shlex

from dev.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_variables(text: str) -> dict[str, str]:
    """Return the variables that a text names.

    Words are split and quotes removed as a shell does it, so a value with spaces is
    written `KEY="two words"` or `"KEY=two words"`.

    Args:
        text: `KEY=VALUE` words with white space in between; the last one of a name counts.

    Raises:
        UsageError: A word is not `KEY=VALUE`, or a quote is not closed. The message does
            not repeat values, which may be secrets.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            "VARS has a quote that is not closed: write VARS='KEY=VALUE OTHER=\"two words\"'."
        ) from error
    variables: dict[str, str] = {}
    for position, word in enumerate(words, start=1):
        name, separator, value = word.partition("=")
        if not separator or not _NAME.fullmatch(name):
            raise UsageError(
                f"Word {position} of VARS is not KEY=VALUE (a letter or _ first, then letters, "
                "digits and _): write VARS='KEY=VALUE OTHER=\"two words\"'."
            )
        variables[name] = value
    return variables
