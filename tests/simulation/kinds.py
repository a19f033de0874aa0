"""The two kinds of runs: metering and payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.simulation import run as metering
from tests.simulation.payments import run as payments

Outcome: TypeAlias = metering.Outcome | payments.Outcome


@dataclass(frozen=True, slots=True)
class Kind:
    """How to run a seed, the command for it, and which fields of outcomes are summed."""

    run: Callable[[int], Outcome]
    replay_command: Callable[[int], str]
    summed: Sequence[str]


KINDS: Mapping[str, Kind] = {
    "metering": Kind(
        metering.run,
        metering.replay_command,
        ("requests", "acknowledged", "logged", "dropped", "reads", "reads_exact", "restarts"),
    ),
    "payments": Kind(
        payments.run,
        payments.replay_command,
        ("requests", "served", "receipts", "settled", "settled_later", "failed", "pending"),
    ),
}
