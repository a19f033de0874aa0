"""Parses `VARS="KEY=VALUE …"`, the settings and secrets of one run."""

import re
import shlex

from dev.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_variables(text: str) -> dict[str, str]:
    """Parse variables; words are split and quotes removed as in a shell.

    A value with spaces is written `KEY="two words"` or `"KEY=two words"`.

    Args:
        text: `KEY=VALUE` words; of words with the same name, the last one counts.

    Raises:
        UsageError: A word is not `KEY=VALUE`, or a quote is not closed. The message has no
            values, because they may be secrets.
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
