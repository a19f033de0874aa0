"""Compares the calls that the demo sent with those that the dispatcher counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dev.demo.analytics import Snapshot
from dev.demo.sender import Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of the demo and of the dispatcher.

    Args:
        sent: Requests sent.
        unanswered: Requests without a complete response, which may or may not be counted.
        to_be_counted: Requests that the dispatcher should count as calls.
        calls_before: Today's calls before the first request.
        calls_after: Today's calls after the last request.
        same_day: False if midnight UTC passed meanwhile, so that the counts cannot be compared.
        statuses: Number of responses by status; `none` for no response.
    """

    sent: int
    unanswered: int
    to_be_counted: int
    calls_before: int
    calls_after: int
    same_day: bool
    statuses: dict[str, int]

    @property
    def counted(self) -> int:
        """The calls that the dispatcher counted meanwhile."""
        return self.calls_after - self.calls_before

    @property
    def agrees(self) -> bool:
        """Whether both counts are consistent."""
        return self.to_be_counted <= self.counted <= self.to_be_counted + self.unanswered

    @property
    def summary(self) -> str:
        """The result in one sentence."""
        if not self.same_day:
            return "Midnight UTC passed meanwhile, which resets today's calls: run it again"
        sentence = (
            f"It should have counted {self.to_be_counted:,} calls, and counted {self.counted:,}"
        )
        if self.agrees:
            return f"{sentence}: they agree"
        hint = (
            "are there other callers?" if self.counted > self.to_be_counted else "some are missing"
        )
        return f"{sentence}: they differ ({hint})"

    def as_json(self) -> dict[str, object]:
        """Return all fields as JSON, in camel case like the dispatcher's API."""
        fields = {_camel(name): value for name, value in asdict(self).items()}
        return {**fields, "counted": self.counted, "agrees": self.agrees and self.same_day}


def compare(before: Snapshot, after: Snapshot, outcomes: Sequence[Outcome]) -> Report:
    """Compare the sent requests with the change of the totals.

    Args:
        before: Today's snapshot before the first request.
        after: Today's snapshot after the last one.
        outcomes: The outcome of each request.
    """
    statuses = Counter(str(outcome.status or "none") for outcome in outcomes)
    return Report(
        sent=len(outcomes),
        unanswered=sum(not outcome.has_response for outcome in outcomes),
        to_be_counted=sum(outcome.counted for outcome in outcomes),
        calls_before=before["heroStats"]["calls"],
        calls_after=after["heroStats"]["calls"],
        same_day=before["range"]["startAt"] == after["range"]["startAt"],
        statuses=dict(sorted(statuses.items())),
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
