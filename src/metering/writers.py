"""Which batches a shard has: for each writer, the sequences that arrived; and their number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.ports import Json


@dataclass(slots=True)
class Counters:
    """What a shard has done since the object started."""

    commits: int = 0
    batches: int = 0
    repeated: int = 0
    refused: int = 0
    segments: int = 0
    puts_failed: int = 0


@dataclass(slots=True)
class _Arrived:
    """The sequences of a writer as ranges, first and last, in order and never adjacent.

    A range ends where a batch is missing, so there are few.
    """

    seen_ms: int
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def has(self, sequence: int) -> bool:
        index = bisect_right(self.ranges, sequence, key=_first) - 1
        return index >= 0 and sequence <= self.ranges[index][1]

    def add(self, sequence: int) -> None:
        if self.has(sequence):
            return
        first = last = sequence
        end = bisect_right(self.ranges, sequence, key=_first)
        start = end
        if start > 0 and self.ranges[start - 1][1] == sequence - 1:
            start -= 1
            first = self.ranges[start][0]
        if end < len(self.ranges) and self.ranges[end][0] == sequence + 1:
            last = self.ranges[end][1]
            end += 1
        self.ranges[start:end] = [(first, last)]

    def missing(self) -> int:
        """Return how many sequences before the newest have not arrived."""
        return self.ranges[-1][1] - sum(last - first + 1 for first, last in self.ranges)


@dataclass(slots=True)
class Writers:
    """The sequences of each writer; a writer that was not heard of for long is forgotten."""

    _writers: dict[str, _Arrived] = field(default_factory=dict)

    def has(self, writer: str, sequence: int) -> bool:
        """Tell whether a batch has arrived."""
        arrived = self._writers.get(writer)
        return arrived is not None and arrived.has(sequence)

    def add(self, writer: str, sequence: int, at_ms: int) -> None:
        """Note that a batch has arrived."""
        arrived = self._writers.setdefault(writer, _Arrived(at_ms))
        arrived.seen_ms = max(arrived.seen_ms, at_ms)
        arrived.add(sequence)

    def forget(self, before_ms: int) -> None:
        """Forget writers that were last heard of before a time, in milliseconds since 1970."""
        self._writers = {
            name: arrived for name, arrived in self._writers.items() if arrived.seen_ms >= before_ms
        }

    def gaps(self) -> Mapping[str, int]:
        """Return, for each writer that has gaps, how many of its sequences are missing."""
        missing = {name: arrived.missing() for name, arrived in self._writers.items()}
        return {name: count for name, count in missing.items() if count}

    def __len__(self) -> int:
        """Return how many writers are known."""
        return len(self._writers)

    def encode(self) -> Json:
        """Encode as a list of rows: name, time, and ranges of sequences."""
        return [
            [name, arrived.seen_ms, arrived.ranges]
            for name, arrived in sorted(self._writers.items())
        ]

    @staticmethod
    def decode(value: Json) -> Writers:
        """Decode what `encode` returned."""
        return Writers(
            {
                name: _Arrived(seen_ms, [(first, last) for first, last in ranges])
                for name, seen_ms, ranges in value
            }
        )


def _first(sequences: tuple[int, int]) -> int:
    return sequences[0]
