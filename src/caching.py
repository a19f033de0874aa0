"""What clients may keep: tags of analytics answers, and when one has not changed.

Refuses to keep anything itself, and to know what counts as the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import limits
from ports import Answer, Json
from responses import REQUEST_ID, text_answer
from snapshot_text import answer_text, tag_of

VARIES_BY = "Authorization, X-Platform-Token"
"""The headers that may carry the token."""

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def analytics_answer(
    body: Mapping[str, Json], request_id: str, wanted: str, *, is_public: bool
) -> Answer:
    """Make the answer for `body`, which has one `snapshot` or several in `windows`.

    It is 304 without a body when `wanted`, the header `If-None-Match` or empty,
    has its tag. Others than the asker may keep it only if it `is_public`.
    """
    tag = tag_of(body["windows"].values() if "windows" in body else [body["snapshot"]])
    kept_by = "public" if is_public else "private"
    headers = (
        ("cache-control", f"{kept_by}, max-age={limits.ANALYTICS_AGE_SECONDS}"),
        ("vary", VARIES_BY),
        ("etag", f"W/{tag}"),
    )
    if is_known(tag, wanted):
        return Answer(304, (*headers, (REQUEST_ID, request_id)), "")
    text = answer_text({"ok": True, "requestId": request_id, **body})
    return text_answer(text, request_id, headers=headers)


def is_known(tag: str, wanted: str) -> bool:
    """Tell whether `wanted`, the header `If-None-Match` or empty, has a tag, given in quotes."""
    return wanted.strip() == "*" or tag in _TAG.findall(wanted)
