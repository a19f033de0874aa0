"""The faults of everything around the payment code in one run.

Shares are probabilities for one operation; with all at zero there are no faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of D1, facilitators, the chain, its node, scripts and clients.

    A node may be `node_lag_ms` behind the chain. A slow script takes `script_slow_ms`.
    `client_leaves` is the share of clients that do not wait for the response.
    """

    database_fails: float = 0.0
    database_fails_after_effect: float = 0.0
    database_fails_before_effect: float = 0.0
    database_slow: float = 0.0
    database_hangs: float = 0.0
    verify_fails: float = 0.0
    settle_fails: float = 0.0
    facilitator_slow: float = 0.0
    facilitator_blind: float = 0.0
    facilitator_forgets: float = 0.0
    mining_slow: float = 0.0
    transactions_dropped: float = 0.0
    transactions_reverted: float = 0.0
    node_fails: float = 0.0
    node_lag_ms: int = 0
    script_fails: float = 0.0
    script_slow: float = 0.0
    script_slow_ms: int = 0
    payer_interferes: float = 0.0
    client_leaves: float = 0.0


NO_FAULTS = Faults()


def faults_of(random: Random) -> Faults:
    """Draw the faults of one run; some runs have few."""

    def share(largest: float) -> float:
        return random.choice((0.0, largest / 5, largest))

    return Faults(
        database_fails=share(0.2),
        database_fails_after_effect=share(0.3),
        database_fails_before_effect=share(0.1),
        database_slow=share(0.2),
        database_hangs=share(0.02),
        verify_fails=share(0.2),
        settle_fails=share(0.8),
        facilitator_slow=share(0.4),
        facilitator_blind=share(0.5),
        facilitator_forgets=share(0.7),
        mining_slow=share(0.5),
        transactions_dropped=share(0.2),
        transactions_reverted=share(0.3),
        node_fails=share(0.5),
        node_lag_ms=random.choice((0, 4_000, 60_000, 400_000)),
        script_fails=share(0.4),
        script_slow=share(0.3),
        script_slow_ms=random.choice((2_000, 20_000, 400_000, 600_000)),
        payer_interferes=share(0.3),
        client_leaves=share(0.4),
    )
