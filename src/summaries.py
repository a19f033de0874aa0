"""Summaries: the figures of one period, and what exactly they were made of.

Owns how a summary is written and how it proves itself. A summary is a cache:
one that fails its own check is thrown away and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from errors import SummaryUnreadable
from figures import Figures
from periods import Period

SUMMARY_VERSION = 1
_DIGEST_LENGTH = 16


class Summary(NamedTuple):
    """The figures of `period`.

    `sources` names what they were made of, in order: for a minute the batches
    as `WRITER/COUNTER`, for a larger period its children as
    `START:FINGERPRINT`. `unreadable` names the batches below that were set
    aside.
    """

    period: Period
    sources: Sequence[str]
    figures: Figures
    unreadable: Sequence[str]

    @property
    def fingerprint(self) -> str:
        """Tells two summaries of the same period with different sources apart."""
        return _digest("\n".join(self.sources))


def encode_summary(summary: Summary) -> str:
    """Write a summary: a check of the rest, then JSON. The same content gives the same text."""
    body = json.dumps(
        [
            SUMMARY_VERSION,
            *summary.period,
            summary.sources,
            summary.unreadable,
            summary.figures.encode(),
        ],
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return _digest(body) + body


def decode_summary(value: str, period: Period) -> Summary:
    """Read the summary of `period` back. Raises `SummaryUnreadable` if it is not whole."""
    body = value[_DIGEST_LENGTH:]
    if _digest(body) != value[:_DIGEST_LENGTH]:
        raise SummaryUnreadable(f"the summary of {period} fails its own check")
    try:
        version, level, start, sources, unreadable, figures = json.loads(body)
    except ValueError as error:
        raise SummaryUnreadable(f"the summary of {period} does not parse: {error}") from error
    if version != SUMMARY_VERSION or (level, start) != tuple(period):
        raise SummaryUnreadable(
            f"the summary of {period} is one of {level} {start}, version {version}"
        )
    return Summary(period, sources, Figures.decode(figures), unreadable)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_LENGTH // 2).hexdigest()
