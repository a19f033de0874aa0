"""Results of one contender of the request benchmark (`bench.requests.comparison`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.load import Load
from core.ports import Json


@dataclass(slots=True)
class PaidFigures:
    """The payments of contender (g), by round; the last two fields are of the whole run.

    Times are those of sequential payments. `facilitator_ms` is the median time of the
    facilitator, to verify and settle; `own_ms` that of the rest of the request;
    `own_per_second` the requests per second without the facilitator's time. `ledger` and
    `transferred` are the number of payments in the ledger and on the chain.
    """

    facilitator_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    own_per_second: list[float] = field(default_factory=list)
    ledger: int = 0
    transferred: int = 0

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class RequestFigures:
    """One contender, by round: responses per second, and times in milliseconds.

    `alone_ms` is the median with one connection, `busy_*` with sixteen; `cpu_ms` is the CPU time
    of its workerd per request, including script and KV; `download_ms` is a download of 1 MB,
    `upload_ms` an upload of 10 MB; `first_ms` and `last_ms` are the times of the first and last
    byte of a streamed body. `recorded` is the number of the `sent` requests in its log, `None`
    without a log. `paid` exists only for (g).
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
    paid: PaidFigures | None = None

    def add(self, alone: Load, busy: Load, cpu_seconds: float) -> None:
        """Add a round of small requests."""
        self.alone_ms.append(alone.quantile_ms(0.5))
        self.per_second.append(busy.per_second)
        self.busy_ms.append(busy.quantile_ms(0.5))
        self.busy_p99_ms.append(busy.quantile_ms(0.99))
        self.cpu_ms.append(cpu_seconds / len(busy.times) * 1_000)

    def as_json(self) -> Json:
        """Return all fields by name."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "paid": None if self.paid is None else self.paid.as_json()}
