"""What wrangler's failures mean: by Cloudflare's numbers in its messages, else by their words."""

import re
from pathlib import Path
from typing import Final

from cli.errors import (
    AccessError,
    CommandError,
    ConflictError,
    MissingError,
    NetworkError,
    QuotaError,
)

AGAIN: Final = "Run the same command again: what was done already stays done."
_RIGHTS = "The token is wrong or lacks a right; docs/deploy.md names those it needs."
_LIMITS = "A limit of the account; docs/deploy.md says which there are."
_IN_THE_WAY = "Look at what is there, then run the same command again."
_WAIT = "Wait some minutes, then run the same command again."

_CODES: Final[dict[int, tuple[type[CommandError], str]]] = {
    971: (QuotaError, _WAIT),
    1000: (AccessError, _RIGHTS),
    7403: (AccessError, _RIGHTS),
    7406: (QuotaError, _LIMITS),
    9106: (AccessError, _RIGHTS),
    9109: (AccessError, _RIGHTS),
    10000: (AccessError, _RIGHTS),
    10001: (AccessError, _RIGHTS),
    10002: (NetworkError, AGAIN),
    10007: (MissingError, "Somebody removed it meanwhile. Run the same command again."),
    10013: (NetworkError, AGAIN),
    10020: (ConflictError, _IN_THE_WAY),
    10027: (QuotaError, _LIMITS),
    10037: (QuotaError, _LIMITS),
    10072: (QuotaError, _LIMITS),
    100120: (ConflictError, _IN_THE_WAY),
    10121: (AccessError, "Dispatch namespaces need a Workers for Platforms subscription."),
}
"""Cloudflare's numbers in wrangler's messages: what they mean, and what to do."""

_TEXTS: Final[tuple[tuple[str, type[CommandError], str], ...]] = (
    (r"-> 429\b|too many requests", QuotaError, _WAIT),
    (r"-> 40[13]\b", AccessError, _RIGHTS),
    (r"-> 5\d\d\b", NetworkError, AGAIN),
    (
        r"fetch failed|ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|socket|timed? ?out|terminated",
        NetworkError,
        f"Check the network and CLOUDFLARE_API_BASE_URL. {AGAIN}",
    ),
)
"""The same for messages without a number; the first that matches counts."""

_END_OF_MESSAGE = (
    "If you think this is a bug",
    "🪵",
    "Logs were written",
    "📎",
    "👋",
    "Getting User",
)


def explain(output: str, failure: str, log: Path) -> CommandError:
    """Return what a failed run of wrangler means.

    Args:
        output: Everything that it printed.
        failure: What was being done, in a sentence.
        log: Where the output is.
    """
    said = _said(output)
    kind, advice = _meaning(said)
    return kind(f"{failure} wrangler says: {said}", f"{advice} Log: {log}".strip())


def _meaning(said: str) -> tuple[type[CommandError], str]:
    for code in re.findall(r"\[code: (\d+)\]", said):
        if int(code) in _CODES:
            return _CODES[int(code)]
    for pattern, kind, advice in _TEXTS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind, advice
    return CommandError, ""


def _said(output: str) -> str:
    """Return wrangler's own words: from its first error on, until it offers to report it."""
    _, _, after = output.partition("[ERROR]")
    lines = [line.strip() for line in (after or output).splitlines()]
    kept = []
    for line in lines:
        if line.startswith(_END_OF_MESSAGE):
            break
        if line:
            kept.append(line)
    return " ".join(kept if after else kept[-5:])[:700] or "nothing"
