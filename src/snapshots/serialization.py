"""Writes snapshots as JSON, with the rows that have not changed as they were written before.

A thousand rows are most of a snapshot, and between two reads few of them
change. Refuses to know what a snapshot shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from core.ports import Json
from snapshots.ranking import RankedRow

_ROWS = ("topApis", "allApis")


def snapshot_text(snapshot: Mapping[str, Json]) -> str:
    """Write a snapshot as JSON; its two lists of rows come last."""
    rest = {name: value for name, value in snapshot.items() if name not in _ROWS}
    lists = (f'"{name}":[{",".join(_texts(snapshot[name]))}]' for name in _ROWS)
    return f"{_text(rest)[:-1]},{','.join(lists)}}}"


def answer_text(body: Mapping[str, Json]) -> str:
    """Write an answer that has one `snapshot`, or several by name in `windows`, as JSON."""
    rest = {name: value for name, value in body.items() if name not in ("snapshot", "windows")}
    if "snapshot" in body:
        return f'{_text(rest)[:-1]},"snapshot":{snapshot_text(body["snapshot"])}}}'
    windows = (f'"{name}":{snapshot_text(one)}' for name, one in body["windows"].items())
    return f'{_text(rest)[:-1]},"windows":{{{",".join(windows)}}}}}'


def tag_of(snapshots: Iterable[Mapping[str, Json]]) -> str:
    """Name what snapshots show, in quotes: the same for the same figures, whenever asked for.

    When they were made, how fresh they are and what was before does not count;
    whether anything was left out does. `topApis` are the first of `allApis`, as
    many as were asked for.
    """
    digest = hashlib.blake2b(digest_size=12)
    for snapshot in snapshots:
        shown = {
            **snapshot,
            "generatedAt": None,
            "previous": None,
            "topApis": len(snapshot["topApis"]),
            "allApis": len(snapshot["allApis"]),
            "range": snapshot["range"]["startAt"],
            "freshness": {**snapshot["freshness"], "asOf": None, "lagSeconds": None},
        }
        digest.update(_text(shown).encode())
        digest.update(",".join(_texts(snapshot["allApis"])).encode())
    return f'"{digest.hexdigest()}"'


def _texts(rows: Iterable[Mapping[str, Json]]) -> Iterable[str]:
    return (row.text if isinstance(row, RankedRow) else _text(row) for row in rows)


def _text(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))
