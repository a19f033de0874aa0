"""What clients may keep: tags of analytics answers, and when one has not changed.

Owns what counts as the same answer. Refuses to keep anything itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

import limits
from ports import Answer, Json
from responses import REQUEST_ID, json_answer

_VARIES_BY = "Authorization, X-Platform-Token"
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def analytics_answer(
    body: Mapping[str, Json], request_id: str, wanted: str, *, is_public: bool
) -> Answer:
    """Make the answer for `body`, which has one `snapshot` or several in `windows`.

    It is 304 without a body when `wanted`, the header `If-None-Match` or empty,
    has its tag. Others than the asker may keep it only if it `is_public`.
    """
    tag = tag_of(body.get("windows") or {"": body["snapshot"]})
    kept_by = "public" if is_public else "private"
    headers = (
        ("cache-control", f"{kept_by}, max-age={limits.ANALYTICS_AGE_SECONDS}"),
        ("vary", _VARIES_BY),
        ("etag", f"W/{tag}"),
    )
    if wanted.strip() == "*" or tag in _TAG.findall(wanted):
        return Answer(304, (*headers, (REQUEST_ID, request_id)), "")
    return json_answer({"ok": True, "requestId": request_id, **body}, request_id, headers=headers)


def tag_of(snapshots: Mapping[str, Mapping[str, Json]]) -> str:
    """Name what snapshots show, in quotes: the same for the same figures, whenever asked for.

    When they were made and how fresh they are does not count, whether anything
    was left out does. `topApis` are the first of `allApis`, as many as were asked for.
    """
    shown: Sequence[Json] = [
        {
            **snapshot,
            "generatedAt": None,
            "topApis": len(snapshot["topApis"]),
            "range": snapshot["range"]["startAt"],
            "freshness": {**snapshot["freshness"], "asOf": None, "lagSeconds": None},
        }
        for snapshot in snapshots.values()
    ]
    text = json.dumps(shown, separators=(",", ":"))
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
