"""Open parts: the totals of UTC days in the memory of a shard, until they are folded.

A day's first part opens with its first event. Late events of a folded day open another part for
it, so a part is named by its day and a number. Positions tell which APIs a reader lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core import constants
from core.errors import SummaryUnreadable
from core.ports import Json
from metering.events import UsageEvent
from metering.totals import ApiId, Totals, decode_apis

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII_ENCODER = json.JSONEncoder(separators=(",", ":"))
"""The length of its texts is their number of bytes, which SQLite limits."""


class PartName(NamedTuple):
    """Identifies a part of a shard; no part of the shard has had the same name.

    `number` is the version of the manifest as of which the part was opened. For the part of an
    import it is negative, and follows from the position of the commit that opened it.
    """

    day: int
    number: int


@dataclass(slots=True)
class OpenPart:
    """The totals of a day since the part was opened, at `opened_ms`.

    `changed` has the position at which each API changed last, `source` is the import whose events
    the part has; it is empty for all other events.
    """

    name: PartName
    opened_ms: int
    totals: Totals = field(default_factory=Totals)
    changed: dict[ApiId, int] = field(default_factory=dict)
    source: str = ""

    def add_all(self, events: Iterable[UsageEvent], position: int) -> None:
        """Add events that were committed at a position."""
        for api_id in self.totals.add_all(events):
            self.changed[api_id] = position

    def row(self, api_id: ApiId) -> Json:
        """Encode the totals of one API."""
        return [*api_id, self.totals.apis[api_id].encode()]

    def header(self) -> Json:
        """Encode what concerns all APIs."""
        return [*self.name, self.totals.encode_header()]


def encode_part(part: OpenPart) -> Sequence[str]:
    """Encode a part as lines of ASCII of at most about `CHECKPOINT_LENGTH_MAX` characters each."""
    ids = sorted(part.totals.apis)
    head = [part.opened_ms, part.header(), [part.changed[api_id] for api_id in ids], part.source]
    rows = (_ASCII_ENCODER.encode(part.row(api_id)) for api_id in ids)
    return [_ASCII_ENCODER.encode(head), *_packed(rows)]


def decode_part(texts: Sequence[str]) -> OpenPart:
    """Decode a part. Raises `SummaryUnreadable`."""
    try:
        # Before imports could be undone, parts had no source.
        opened_ms, (day, number, header), changed, *source = json.loads(texts[0])
        apis = {}
        for text in texts[1:]:
            apis.update(decode_apis(json.loads(text)))
        name = PartName(int(day), int(number))
        positions = dict(zip(apis, changed, strict=True))
    except (ValueError, TypeError, LookupError) as error:
        raise SummaryUnreadable(f"a checkpoint has an invalid form: {error}") from error
    totals = Totals.decode(header, apis)
    return OpenPart(name, int(opened_ms), totals, positions, "".join(source))


class Changes(NamedTuple):
    """What a reader lacks, up to `position`; if `is_all`, it then has everything.

    `parts` has, for each part, its header and rows of APIs.
    """

    position: int
    is_all: bool
    parts: Sequence[Json]


def changes_since(
    parts: Iterable[OpenPart], position: int, known: Mapping[PartName, object], now: int
) -> Changes:
    """Return what changed in parts after a position.

    Args:
        parts: All open parts.
        position: The position as of which the reader has its parts.
        known: The parts that the reader has.
        now: The position of the newest commit.
    """
    pending = sorted(
        (changed, part.name, api_id)
        for part in parts
        for api_id, changed in part.changed.items()
        if part.name not in known or changed > position
    )
    by_name = {part.name: part for part in parts}
    rows: dict[PartName, list[Json]] = {name: [] for name in by_name}
    length = 0
    reached = now
    for index, (changed, name, api_id) in enumerate(pending):
        # Rows of one position stay together, because the next call continues after it.
        if length > constants.SHARD_READ_LENGTH_MAX and changed > pending[index - 1][0]:
            reached = pending[index - 1][0]
            break
        row = _ENCODER.encode(by_name[name].row(api_id))
        length += len(row)
        rows[name].append(row)
    return Changes(
        reached,
        reached == now,
        [
            f"{_ENCODER.encode(by_name[name].header())[:-1]},[{','.join(own)}]]"
            for name, own in rows.items()
        ],
    )


def closed(part: Totals, rollup: Totals, before_day: int) -> Totals:
    """Return a part's totals by day, with the busiest hours of the whole day.

    Calls of an hour only grow, so the larger of two busiest hours of a day is that of the day.
    """
    closed = Totals()
    closed.merge(part)
    closed.close_days(before_day)
    for api_id, aggregate in closed.apis.items():
        aggregate.busiest_closed_hour = rollup.apis[api_id].busiest_hour_calls()
    return closed


def _packed(rows: Iterator[str]) -> Iterator[str]:
    """Join rows to JSON arrays of limited length."""
    texts: list[str] = []
    length = 0
    for row in rows:
        if length + len(row) > constants.CHECKPOINT_LENGTH_MAX and texts:
            yield f"[{','.join(texts)}]"
            texts, length = [], 0
        texts.append(row)
        length += len(row) + 1
    if texts:
        yield f"[{','.join(texts)}]"
