"""Writes metric families in the OpenMetrics text format, version 1.0.0.

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
    """The type of a metric family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(slots=True)
class Family:
    """One metric with its samples.

    `unit`, if any, must be the last word of `name`. `created_seconds` is when a counter
    or histogram started counting, in seconds since 1970 UTC.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    created_seconds: float | None = None
    lines: list[str] = field(default_factory=list)

    def add(self, value: Number, labels: Labels | None = None) -> Family:
        """Add one sample; no two samples may have the same labels. Returns the family."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        self._sample(suffix, labels or {}, value)
        self._created(labels or {})
        return self

    def add_histogram(self, histogram: Histogram, labels: Labels) -> Family:
        """Add the buckets, count and sum of a histogram, in seconds. Returns the family."""
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
        pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        braces = f"{{{pairs}}}" if pairs else ""
        self.lines.append(f"{self.name}{suffix}{braces} {value!r}")


def exposition(families: Sequence[Family]) -> str:
    """Return the whole exposition, `# EOF` included."""
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
