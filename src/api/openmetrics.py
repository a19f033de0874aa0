"""The OpenMetrics text format, version 1.0.0, as far as this Worker speaks it.

Owns how families of samples are written. Refuses to know what they mean.
Source: https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from core.telemetry import Histogram

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Number: TypeAlias = int | float
Labels: TypeAlias = Mapping[str, str]


class Kind(Enum):
    """What the samples of a family are."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(slots=True)
class Family:
    """A metric: its name, what its samples are, what it means, and its samples.

    `unit` is the last word of `name` where it is given. `created_seconds` is since
    when a counter or histogram counts, in seconds since 1970 UTC.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    created_seconds: float | None = None
    lines: list[str] = field(default_factory=list)

    def add(self, value: Number, labels: Labels | None = None) -> Family:
        """Add one sample, or the total of a counter; no two may have the same labels."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        self._sample(suffix, labels or {}, value)
        self._created(labels or {})
        return self

    def add_histogram(self, histogram: Histogram, labels: Labels) -> Family:
        """Add the buckets, count and sum of durations, in seconds."""
        total = 0
        bounds = [repr(bound / 1000) for bound in histogram.bounds_ms]
        for bound, count in zip((*bounds, "+Inf"), histogram.counts, strict=True):
            total += count
            self._sample("_bucket", {**labels, "le": bound}, total)
        self._sample("_count", labels, total)
        self._sample("_sum", labels, histogram.sum_ms / 1000)
        self._created(labels)
        return self

    def _created(self, labels: Labels) -> None:
        if self.created_seconds is not None:
            self._sample("_created", labels, self.created_seconds)

    def _sample(self, suffix: str, labels: Labels, value: Number) -> None:
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        braces = f"{{{shown}}}" if shown else ""
        self.lines.append(f"{self.name}{suffix}{braces} {value!r}")


def exposition(families: Sequence[Family]) -> str:
    """Write families as one text."""
    lines = []
    for family in families:
        lines.append(f"# TYPE {family.name} {family.kind.value}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        lines.append(f"# HELP {family.name} {_escaped(family.help)}")
        lines += family.lines
    return "\n".join([*lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
