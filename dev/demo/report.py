"""What a demonstration found out: how many it sent, and whether the dispatcher agrees."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dev.demo.analytics import Snapshot
from dev.demo.sender import Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """The count of both sides.

    Args:
        sent: Requests sent.
        unanswered: Those without a whole answer: counted or not, nobody here can tell.
        to_be_counted: Those that the dispatcher should count as calls.
        calls_before: Today's calls before the first of them.
        calls_after: Today's calls after the last of them.
        same_day: False when midnight UTC passed in between, so that nothing can be compared.
        statuses: How often each status came, by status; `none` for no answer.
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
        """How many calls the dispatcher counted in between."""
        return self.calls_after - self.calls_before

    @property
    def agrees(self) -> bool:
        """Whether both counts can be true at once."""
        return self.to_be_counted <= self.counted <= self.to_be_counted + self.unanswered

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if not self.same_day:
            return "midnight UTC passed on the way, so today's count started anew: run it again"
        sentence = (
            f"it should have counted {self.to_be_counted:,} calls, and counted {self.counted:,}"
        )
        if self.agrees:
            return f"{sentence}: they agree"
        hint = (
            "is somebody else calling it?"
            if self.counted > self.to_be_counted
            else "some are missing"
        )
        return f"{sentence}: they differ ({hint})"

    def as_json(self) -> dict[str, object]:
        """Return everything as JSON has it, in camel case like the dispatcher's own."""
        fields = {_camel(name): value for name, value in asdict(self).items()}
        return {**fields, "counted": self.counted, "agrees": self.agrees and self.same_day}


def compare(before: Snapshot, after: Snapshot, outcomes: Sequence[Outcome]) -> Report:
    """Compare what was sent with how the figures moved.

    Args:
        before: Today's snapshot before the first request.
        after: Today's snapshot after the last one.
        outcomes: What became of the requests.
    """
    statuses = Counter(str(outcome.status or "none") for outcome in outcomes)
    return Report(
        sent=len(outcomes),
        unanswered=sum(not outcome.answered for outcome in outcomes),
        to_be_counted=sum(outcome.counted for outcome in outcomes),
        calls_before=before["heroStats"]["calls"],
        calls_after=after["heroStats"]["calls"],
        same_day=before["range"]["startAt"] == after["range"]["startAt"],
        statuses=dict(sorted(statuses.items())),
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
