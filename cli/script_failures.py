"""The error for a script that the runtime cannot load: Cloudflare rejects its upload."""

import re
from typing import Final

from cli.errors import ScriptError, StartupError

CODES: Final = frozenset({10021, 10068})
"""Cloudflare's error codes: the script failed validation, or has no handlers."""

_CHARACTERS_MAX: Final = 500
"""Characters of a message that are shown."""

_STARTUP: Final = re.compile(r"startup exceeded (?:its )?cpu", re.IGNORECASE)
_ADVICE: Final = (
    (
        r"No module named 'workers'",
        "Put the SDK into the script's folder python_modules: run `pywrangler sync`.",
    ),
    (
        r"No module named",
        (
            "Add the module to the folder, or its package to python_modules: name it in"
            " pyproject.toml and run `pywrangler sync`."
        ),
    ),
    (r'No such module "(?:node|cloudflare):', "Add the compatibility flag that this module needs."),
    (
        r'No such module "[^"]*\.[^"]*"',
        "Add the file to the folder, or correct the import.",
    ),
    (
        r"No such module",
        (
            "Packages of npm must be in the script: bundle it first, such as with"
            " `npx esbuild index.js --bundle --format=esm --outfile=dist/index.js`."
        ),
    ),
    (
        r"event handlers",
        (
            "Export a handler: `export default { fetch(request) { … } }`. Service-worker syntax"
            " (addEventListener) is not supported."
        ),
    ),
)
"""What to do, by the message."""


def script_error(what: str, message: str) -> ScriptError:
    """Return the error for a script that was rejected.

    Args:
        what: What failed, as a sentence.
        message: Cloudflare's complete message, with the exception's text and place.
    """
    advice = next((advice for pattern, advice in _ADVICE if re.search(pattern, message)), "")
    is_startup = _STARTUP.search(message) is not None
    if len(message) > _CHARACTERS_MAX:
        # A traceback ends with the exception.
        message = f"… {message[-_CHARACTERS_MAX:]}"
    if is_startup:
        return StartupError(
            f"{what} {message}",
            "Importing it takes more than Cloudflare's second of CPU time, in two attempts: import"
            " less, or do the work in the handler when it is first called.",
        )
    return ScriptError(
        f"{what} {message}", advice or "Correct the script, then run the same command again."
    )
