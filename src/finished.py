"""Finished answers of the public page: JSON text in pieces, cut to length without reading it again.

Owns the form in which an answer is kept in memory and left for other isolates.
Refuses to know how long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import limits
from ports import Json


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer made at `made_ms`: `head`, as many of `rows` as are wanted, and `rest`.

    `tag` names what it says; `rows` are the first 100 APIs, ready for `topApis`.
    """

    made_ms: int
    tag: str
    head: str
    rest: str
    rows: tuple[str, ...]

    def body(self, top: int) -> str:
        """Put the JSON together with the first `top` rows in `topApis`."""
        return f"{self.head}{','.join(self.rows[:top])}{self.rest}"

    def encode(self) -> str:
        """Write it as one text, a piece a line: this JSON has no line ends."""
        return "\n".join((f"{self.made_ms} {self.tag}", self.head, self.rest, *self.rows))


def finish(answer: Mapping[str, Json], snapshot: Mapping[str, Json], made_ms: int) -> Finished:
    """Finish `answer` with `snapshot` in it, whose `topApis` are the first of its `allApis`."""
    rows = [_text(row) for row in snapshot["allApis"]]
    rest = f'],"allApis":[{",".join(rows)}]}}}}'
    lists = ("topApis", "allApis")
    others = _text({name: value for name, value in snapshot.items() if name not in lists})
    head = f'{_text(answer)[:-1]},"snapshot":{others[:-1]},"topApis":['
    tag = hashlib.blake2b((head + rest).encode(), digest_size=12).hexdigest()
    return Finished(made_ms, tag, head, rest, tuple(rows[: limits.TOP_MAX]))


def decode(text: str) -> Finished | None:
    """Read what `encode` wrote; None for any other text."""
    try:
        first, head, rest, *rows = text.split("\n")
        made_ms, tag = first.split(" ")
        return Finished(int(made_ms), tag, head, rest, tuple(rows))
    except ValueError:
        return None


def _text(value: Json) -> str:
    # What is no JSON must not be written: a safe snapshot has none of it.
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
