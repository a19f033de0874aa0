"""Results of the benchmark of paid requests (`bench.paid.measuring`, `bench.paid.round_trips`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.load import Load
from core.ports import Json


@dataclass(slots=True)
class PaidFigures:
    """One contender, paid or unpaid, by round; the last four fields are of the whole run.

    Times are in milliseconds. `alone_ms` is the median with one connection, `busy_*` with
    sixteen; `cpu_ms` is the CPU time of its workerd per request. `facilitator_ms` is the median
    time of the facilitator, to verify and settle one of sequential payments, `own_ms` that of
    the rest of the request; both are empty for unpaid requests. `recorded`, `ledger` and
    `transferred` are how many of the `sent` requests are in the log, in the ledger and on the
    chain, None where there are none.
    """

    letter: str
    what: str
    per_second: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    busy_ms: list[float] = field(default_factory=list)
    busy_p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    facilitator_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    sent: int = 0
    recorded: int | None = None
    ledger: int | None = None
    transferred: int | None = None

    def add(self, alone: Load, busy: Load, cpu_seconds: float) -> None:
        """Add a round."""
        self.alone_ms.append(alone.quantile_ms(0.5))
        self.per_second.append(busy.per_second)
        self.busy_ms.append(busy.quantile_ms(0.5))
        self.busy_p99_ms.append(busy.quantile_ms(0.99))
        self.cpu_ms.append(cpu_seconds / len(busy.times) * 1_000)

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class RoundTripFigures:
    """The calls of one paid request to databases, stores, Durable Objects and the facilitator.

    `before` and `after` are the names of those that ended before and after the response, in
    order; `sequential` is how many of those before it had to wait for one another. `dollars`
    is the price of all calls of a million payments, and of the rows that they read and write.
    """

    letter: str
    what: str
    before: Sequence[str]
    after: Sequence[str]
    sequential: int
    rows_read: int
    rows_written: int
    dollars: float

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}
