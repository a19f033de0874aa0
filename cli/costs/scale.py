"""`python -m cli.costs.scale [--check]`: writes the numbers of `docs/scale.md`.

They are computed with the dispatcher's own counters and constants, for 1, 30 and 300 locations with
one isolate each. `--check` writes nothing, and fails if the page is out of date.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from api.throttling import FailedAttempts
from cli.costs.estimate import Traffic, directory_reads, estimate
from cli.costs.usage_log import log_rates
from core import constants, quotas
from dev.layout import HERE

PAGE: Final = HERE.root / "docs" / "scale.md"
LOCATIONS: Final = (1, 30, 300)
REQUESTS_PER_SECOND: Final = 20
APIS: Final = 100
RATE: Final = 60
"""Requests in 60 s of the example of a rate."""

QUOTA: Final = 1_000
"""Requests a day of the example of a quota."""

_START_MS = 1_795_348_800_000
_BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)

Row = tuple[str, Callable[[int], str]]

ISOLATES: Final[Sequence[Row]] = (
    (
        (
            "wrong platform tokens of one address that are compared in"
            f" {constants.AUTH_WINDOW_SECONDS} s, if it reaches every isolate"
        ),
        lambda count: f"{compared_tokens(count):,}",
    ),
    (
        (
            f"keys of the directory read in a second; each isolate caches for"
            f" {constants.DIRECTORY_CACHE_SECONDS} s"
        ),
        lambda count: f"{directory_reads(_traffic(count)):,.1f}",
    ),
    (
        (
            "calls of a facilitator that does not respond, one after another, in its first"
            f" {constants.CIRCUIT_OPEN_MS_MIN // 1_000} s, until every isolate asks others first"
        ),
        lambda count: f"{count:,}",
    ),
    (
        (
            "new responses for the public page in a second, if it is visited everywhere; each"
            f" isolate keeps one for {constants.EXPLORE_FRESH_SECONDS} s"
        ),
        lambda count: f"{count / constants.EXPLORE_FRESH_SECONDS:,.1f}",
    ),
    (
        "events that wait in memory at most while shards and KV fail",
        lambda count: f"{count * constants.BUFFERED_EVENTS_MAX:,}",
    ),
    (
        "batches sent to the shard in a second",
        lambda count: f"{log_rates(REQUESTS_PER_SECOND, count).calls:,.1f}",
    ),
)

PLACES: Final[Sequence[Row]] = (
    (
        (
            f"requests of one caller in 60 s under a rate of {RATE} in 60 s, if it reaches every"
            " location"
        ),
        lambda count: f"{RATE * count:,}",
    ),
)

GLOBALLY: Final[Sequence[Row]] = (
    (
        f"requests in a day under a quota of {QUOTA:,}, sent from every location at once",
        lambda count: f"{admitted(count):,}",
    ),
    (
        "values written to KV in a second, by one shard",
        lambda count: f"{log_rates(REQUESTS_PER_SECOND, count).segments:,.2f}",
    ),
    (
        "commits of the shard in a second",
        lambda count: f"{log_rates(REQUESTS_PER_SECOND, count).commits:,.1f}",
    ),
    (
        f"events that are lost if all isolates die at once, at {REQUESTS_PER_SECOND} requests/s",
        lambda _: f"{lost_events():,.0f}",
    ),
)

COSTS: Final[Sequence[Row]] = tuple(
    (
        f"{rate} request{'s' if rate > 1 else ''}/s, {APIS} APIs" + (", a tenth paid" * (paid > 0)),
        lambda count, rate=rate, paid=paid: (  # type: ignore[misc]
            f"${estimate(_traffic(count, rate, paid)).dollars:,.0f} a month, "
            f"${estimate(_traffic(count, rate, paid)).dollars_per_million:,.2f} per million"
        ),
    )
    for rate, paid in ((1, 0), (20, 0), (20, 0.1), (200, 0))
)

TABLES: Final[Mapping[str, Sequence[Row]]] = {
    "isolates": ISOLATES,
    "locations": PLACES,
    "globally": GLOBALLY,
    "costs": COSTS,
}


def compared_tokens(isolates: int) -> int:
    """Return how many wrong tokens of one address isolates compare in a window.

    The address sends each token to all of them; each has its own count.
    """
    counts = [FailedAttempts() for _ in range(isolates)]
    compared = 0
    for _ in range(2 * constants.AUTH_FAILURES_MAX):
        for one in counts:
            if not one.seconds_to_wait("caller", _START_MS):
                one.add("caller", _START_MS)
                compared += 1
    return compared


def admitted(locations: int) -> int:
    """Return how many requests an API's counter admits that all locations send at once."""
    usage, limits = quotas.Usage(), quotas.QuotaLimits(daily_requests=QUOTA)
    count = 0
    for _ in range(2 * QUOTA // locations + 1):
        for _ in range(locations):
            reserved = quotas.reserve(usage, _START_MS, limits, 0)
            usage = reserved.usage
            count += not reserved.exceeded
    return count


def lost_events() -> float:
    """Return how many events are not acknowledged yet at any moment."""
    waiting_ms = constants.SEND_DELAY_MS + constants.COMMIT_DELAY_MS
    return REQUESTS_PER_SECOND * waiting_ms / 1_000


def page(text: str) -> str:
    """Return the page with its tables computed again."""

    def block(found: re.Match[str]) -> str:
        start, name, end = found.groups()
        heads = " | ".join(f"{count} location{'s' if count > 1 else ''}" for count in LOCATIONS)
        lines = [f"| | {heads} |", f"|---|{'---|' * len(LOCATIONS)}"]
        for what, value in TABLES[name]:
            lines.append(f"| {what} | {' | '.join(value(count) for count in LOCATIONS)} |")
        return f"{start}\n" + "\n".join(lines) + f"\n\n{end}"

    return _BLOCK.sub(block, text)


def _traffic(locations: int, rate: float = REQUESTS_PER_SECOND, paid_share: float = 0) -> Traffic:
    return Traffic(rate, locations=locations, apis=APIS, paid_share=paid_share)


def main() -> int:
    """Write the page, or with `--check` compare it; return the exit code."""
    text = PAGE.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--check"]:
        if page(text) == text:
            return 0
        print("docs/scale.md is out of date. Run python -m cli.costs.scale.")
        return 1
    PAGE.write_text(page(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
