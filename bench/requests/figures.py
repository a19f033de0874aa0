"""Results of one contender of the request benchmark (`bench.requests.comparison`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.load import Load
from core.ports import Json


@dataclass(slots=True)
class PaidFigures:
    """The payments of contender (g), by round; the last two are of the whole run.

    All times are those of payments one after the other. `facilitator_ms` is the median of what
    the facilitator took for a payment, to verify and to settle it; `own_ms` of what was left of
    the request's time; `own_per_second` is how many a second that leaves. Of all payments, each of
    which was answered with 200, so many are settled in the `ledger`, and were `transferred` on
    the chain.
    """

    facilitator_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    own_per_second: list[float] = field(default_factory=list)
    ledger: int = 0
    transferred: int = 0

    def as_json(self) -> Json:
        """Give everything by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class RequestFigures:
    """One contender, by round: answers a second, and times in milliseconds.

    `alone_ms` is the median with one connection, `busy_*` with sixteen; `cpu_ms` is what its
    workerd spends on one of those, the script and KV included; `download_ms` are 1 MB down,
    `upload_ms` 10 MB up, whole; `first_ms` and `last_ms` are the first and the last byte of
    a body that the script sends in chunks with pauses. Of `sent` requests its log has `recorded`
    afterwards, None where nothing is. `paid` is of (g) alone.
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
        """Give everything by name."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "paid": None if self.paid is None else self.paid.as_json()}
