"""Serializes snapshots as JSON, and computes their `ETag`.

A thousand rows are most of a snapshot, and few of them change between two reads. So each
`RankedRow` caches its JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from core.ports import Json
from snapshots.ranking import RankedRow

ROWS = ("topApis", "allApis")


def snapshot_json(snapshot: Mapping[str, Json]) -> str:
    """Return a snapshot as JSON; its two lists of rows come last."""
    rest = {name: value for name, value in snapshot.items() if name not in ROWS}
    lists = (f'"{name}":[{",".join(rows_json(snapshot[name]))}]' for name in ROWS)
    return f"{json_text(rest)[:-1]},{','.join(lists)}}}"


def response_json(body: Mapping[str, Json]) -> str:
    """Return a response body as JSON; it has one `snapshot`, or several by window in `windows`."""
    rest = {name: value for name, value in body.items() if name not in ("snapshot", "windows")}
    if "snapshot" in body:
        return f'{json_text(rest)[:-1]},"snapshot":{snapshot_json(body["snapshot"])}}}'
    windows = (f'"{name}":{snapshot_json(one)}' for name, one in body["windows"].items())
    return f'{json_text(rest)[:-1]},"windows":{{{",".join(windows)}}}}}'


def etag_of(snapshots: Iterable[Mapping[str, Json]]) -> str:
    """Return the `ETag` of snapshots, in quotes: it changes whenever something shown changes.

    Only the times of the read are not part of it: `generatedAt`, `range.endAt`, and how long ago
    `freshness.asOf` is. Of `topApis`, only the length is, because they are the first of `allApis`.
    """
    digest = hashlib.blake2b(digest_size=12)
    for snapshot in snapshots:
        shown = {
            **snapshot,
            "generatedAt": None,
            "topApis": len(snapshot["topApis"]),
            "allApis": len(snapshot["allApis"]),
            "range": snapshot["range"]["startAt"],
            "freshness": {**snapshot["freshness"], "asOf": None, "lagSeconds": None},
        }
        digest.update(json_text(shown).encode())
        digest.update(",".join(rows_json(snapshot["allApis"])).encode())
    return f'"{digest.hexdigest()}"'


def rows_json(rows: Iterable[Mapping[str, Json]]) -> Sequence[str]:
    """Return each row as JSON."""
    return [row.json if isinstance(row, RankedRow) else json_text(row) for row in rows]


def json_text(value: Json) -> str:
    """Return a value as compact JSON. Raises `ValueError` for a number that JSON does not have."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
