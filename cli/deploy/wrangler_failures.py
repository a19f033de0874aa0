"""Maps wrangler's error messages to `CommandError`s, by Cloudflare's codes or by their text."""

import re
from pathlib import Path
from typing import Final

from cli.account_api import RUN_AGAIN
from cli.errors import (
    AccessError,
    CommandError,
    ConflictError,
    MissingError,
    NetworkError,
    QuotaError,
)
from cli.script_failures import CODES, script_error

_CODE = re.compile(r"\[code: (\d+)\]")
_PERMISSIONS = "Check the token and its permissions; docs/deploy.md lists the ones it needs."
_LIMITS = "Check the limits of the account; docs/deploy.md lists them."
_CONFLICT = "Resolve the conflict, then run the same command again."
_WAIT = "Wait a few minutes, then run the same command again."

_CODES: Final[dict[int, tuple[type[CommandError], str]]] = {
    971: (QuotaError, _WAIT),
    1000: (AccessError, _PERMISSIONS),
    7403: (AccessError, _PERMISSIONS),
    7406: (QuotaError, _LIMITS),
    9106: (AccessError, _PERMISSIONS),
    9109: (AccessError, _PERMISSIONS),
    10000: (AccessError, _PERMISSIONS),
    10001: (AccessError, _PERMISSIONS),
    10002: (NetworkError, RUN_AGAIN),
    10007: (MissingError, "It was removed concurrently. Run the same command again."),
    10013: (NetworkError, RUN_AGAIN),
    10020: (ConflictError, _CONFLICT),
    10027: (QuotaError, _LIMITS),
    10037: (QuotaError, _LIMITS),
    10072: (QuotaError, _LIMITS),
    100120: (ConflictError, _CONFLICT),
    10121: (AccessError, "Dispatch namespaces need a Workers for Platforms subscription."),
}
"""By Cloudflare's error code: the error and its advice."""

_TEXTS: Final[tuple[tuple[str, type[CommandError], str], ...]] = (
    (r"-> 429\b|too many requests", QuotaError, _WAIT),
    (r"-> 40[13]\b", AccessError, _PERMISSIONS),
    (r"-> 5\d\d\b", NetworkError, RUN_AGAIN),
    (
        r"fetch failed|ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|socket|timed? ?out|terminated",
        NetworkError,
        f"Check the network and CLOUDFLARE_API_BASE_URL. {RUN_AGAIN}",
    ),
)
"""The same for messages without a known code. The first match counts."""

_END_OF_MESSAGE = (
    "If you think this is a bug",
    "🪵",
    "Logs were written",
    "📎",
    "👋",
    "Getting User",
)


def explain(output: str, failure: str, log: Path) -> CommandError:
    """Return the error for a failed run of wrangler.

    Args:
        output: Everything that it printed.
        failure: What failed, as a sentence.
        log: The log file.
    """
    message = _message(output)
    if CODES & {int(code) for code in _CODE.findall(message)}:
        error = script_error(failure, f"wrangler: {message}")
        error.advice += f" Log: {log}"
        return error
    kind, advice = _meaning(message)
    return kind(f"{failure} wrangler: {message}", f"{advice} Log: {log}".strip())


def _meaning(message: str) -> tuple[type[CommandError], str]:
    for code in _CODE.findall(message):
        if int(code) in _CODES:
            return _CODES[int(code)]
    for pattern, kind, advice in _TEXTS:
        if re.search(pattern, message, re.IGNORECASE):
            return kind, advice
    return CommandError, ""


def _message(output: str) -> str:
    """Return wrangler's own message: from its first error to its offer to report a bug."""
    _, _, after = output.partition("[ERROR]")
    lines = [line.strip() for line in (after or output).splitlines()]
    kept = []
    for line in lines:
        if line.startswith(_END_OF_MESSAGE):
            break
        if line:
            kept.append(line)
    return " ".join(kept if after else kept[-5:])[:700] or "no message"
