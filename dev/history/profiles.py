"""The traffic profile of each demo API in generated history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OFFICE = (1, 1, 1, 1, 1, 2, 4, 7, 10, 11, 11, 9, 9, 11, 12, 11, 9, 7, 5, 4, 3, 2, 2, 1)
"""Relative traffic by UTC hour: office hours in Europe and America."""
EVENING = (4, 3, 2, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 6, 7, 9, 11, 12, 12, 10, 8, 6)
"""Evenings."""
ROUND = (5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5)
"""Agents around the clock."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The traffic profile of an API.

    Args:
        daily_calls: Calls on a weekday at the end of the history.
        growth: Growth factor of the calls within 30 days; below 1 they decreased.
        hours: Relative traffic by UTC hour.
        weekend: Traffic of Saturday and Sunday, relative to other days.
        latency_ms: The median; the 95th percentile is about three times that.
        error_rate: Share of calls that fail outside of incidents.
        incidents: Number of incidents in 30 days, in which half of the calls fail.
    """

    daily_calls: float
    growth: float = 1.3
    hours: Sequence[int] = ROUND
    weekend: float = 0.8
    latency_ms: float = 60
    error_rate: float = 0.004
    incidents: int = 0


PROFILES: Mapping[str, Profile] = {
    "airports": Profile(310, 1.6, OFFICE, 0.7, 38, 0.003, 4),
    "exchange": Profile(270, 1.4, OFFICE, 0.35, 55, 0.002, 5),
    "rates": Profile(150, 3.2, OFFICE, 0.4, 70, 0.004, 3),
    "pulse": Profile(140, 1.1, ROUND, 0.5, 120, 0.006, 5),
    "mirror": Profile(120, 0.9, ROUND, 0.9, 12, 0.001),
    "digest": Profile(110, 1.2, OFFICE, 0.6, 210, 0.008, 3),
    "checksum": Profile(85, 4.5, ROUND, 0.9, 180, 0.006, 3),
    "palette": Profile(80, 1.8, EVENING, 1.5, 25, 0.001),
    "feasts": Profile(60, 1.0, EVENING, 1.2, 18, 0.001),
    "passport": Profile(55, 1.5, OFFICE, 0.6, 48, 0.010, 4),
    "gamble": Profile(40, 2.4, EVENING, 1.8, 90, 0.180, 2),
    "tally": Profile(45, 0.7, ROUND, 0.9, 30, 0.002),
    "echo": Profile(50, 6.0, ROUND, 1.0, 14, 0.001),
    "patience": Profile(18, 1.0, OFFICE, 0.4, 1_900, 0.004),
    "mishap": Profile(22, 0.8, OFFICE, 0.7, 60, 0.200, 3),
    "parley": Profile(12, 2.0, EVENING, 1.3, 20, 0.002),
    "sampler": Profile(10, 1.0, OFFICE, 0.6, 17, 0.001),
}
"""Profiles by slug: the APIs of `dev/demo/tenants.json` and `dev/demo/priced.json`."""
