"""Results of one contender of the request benchmark (`bench.requests.comparison`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.load import Load
from core.ports import Json


@dataclass(slots=True)
class RequestFigures:
    """One contender, by round: responses per second, and times in milliseconds.

    `alone_ms` is the median with one connection, `busy_*` with sixteen; `cpu_ms` is the CPU time
    of its workerd per request, including script and KV; `download_ms` is a download of 1 MB,
    `upload_ms` an upload of 10 MB; `first_ms` and `last_ms` are the times of the first and last
    byte of a streamed body. `recorded` is the number of the `sent` requests in its log, `None`
    without a log.
    """

    letter: str
    what: str
    per_second: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)
    busy_p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    download_ms: list[float] = field(default_factory=list)
    upload_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    last_ms: list[float] = field(default_factory=list)
    sent: int = 0
    recorded: int | None = None

    def add(self, alone: Load, busy: Load, cpu_seconds: float) -> None:
        """Add a round of small requests."""
        self.alone_ms.append(alone.quantile_ms(0.5))
        self.per_second.append(busy.per_second)
        self.busy_ms.append(busy.quantile_ms(0.5))
        self.busy_p99_ms.append(busy.quantile_ms(0.99))
        self.cpu_ms.append(cpu_seconds / len(busy.times) * 1_000)

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}
