"""How bad everything around the payment code is in one run.

The shares are probabilities for one operation; all zero is the world at its best.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Faults:
    """What D1, facilitators, the chain, its node and the tenants' scripts do wrong.

    `node_lag_ms` is how far a node may be behind the chain, `script_slow_ms` how
    long a slow script takes, `client_leaves` how often a client does not wait.
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


CALM = Faults()


def faults_of(random: Random) -> Faults:
    """Draw how bad everything is in one run; some runs are calm in most respects."""

    def share(worst: float) -> float:
        return random.choice((0.0, worst / 5, worst))

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
