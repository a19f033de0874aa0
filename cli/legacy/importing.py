"""Sends the events of an old list to the dispatcher, and reads its totals."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.errors import SAME_VERSION, CommandError, NetworkError
from cli.legacy.events import ApiName, Counted
from cli.output import Output
from cli.platform import Platform
from core import constants

PATH: Final = "/__platform/import"
EVENTS_PER_REQUEST: Final = 1_000
"""About a second of CPU time; the dispatcher's limit is twice that."""

WAIT_SECONDS_MAX: Final = 180.0
"""How long a request is repeated: a shard rejects imports while it folds the days it got before."""

PAUSE_SECONDS: Final = 2.0
PAUSE_SECONDS_MAX: Final = 15.0


@dataclass(slots=True)
class Imported:
    """What the dispatcher did with the events that it was sent.

    Args:
        new: Those that it counted.
        known: Those that it had counted before.
    """

    new: int = 0
    known: int = 0


def import_events(
    lines: Iterable[bytes], total: int, platform: Platform, output: Output
) -> Imported:
    """Send all events; if it fails, running the same command again continues.

    Args:
        lines: The events, each as one line of JSON.
        total: Their number.
        platform: The dispatcher's platform API.
        output: Shows the progress.

    Raises:
        CommandError: A request or an event was rejected, or the server could not be reached.
    """
    done = Imported()
    with output.advancing("Importing events", total) as advance:
        for body in requests(lines):
            try:
                _send(platform, body, done, output)
            except CommandError as error:
                sent = f"{done.new + done.known:,} of {total:,} events are imported."
                advice = f"{error.advice} Run the same command again: no event counts twice."
                raise type(error)(f"{error.message} {sent}", advice.strip()) from error
            advance(done.new + done.known)
    return done


def requests(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield bodies within the dispatcher's limits.

    Args:
        lines: The events, each as one line.
    """
    body: list[bytes] = []
    length = 0
    for line in lines:
        is_full = len(body) == EVENTS_PER_REQUEST
        if body and (is_full or length + len(line) > constants.IMPORT_BYTES_MAX):
            yield b"".join(body)
            body, length = [], 0
        body.append(line)
        length += len(line)
    if body:
        yield b"".join(body)


@dataclass(frozen=True, slots=True)
class Totals:
    """The dispatcher's totals in the window `overall`.

    Args:
        apis: The totals of each API in the response.
        is_whole: Whether it has all APIs; it has at most 1,000.
    """

    apis: Mapping[ApiName, Counted]
    is_whole: bool

    def of(self, name: ApiName) -> Counted | None:
        """Return the totals of an API; `None` if they are not known."""
        return self.apis.get(name, Counted() if self.is_whole else None)


def overall_totals(platform: Platform) -> Totals:
    """Return the totals of each API in the window `overall`.

    Args:
        platform: The dispatcher's platform API.
    """
    snapshot = platform.get("/__platform/analytics", window="overall", top=1)["snapshot"]
    found = {
        ApiName(one["tenantId"], one["endpoint"].removeprefix("/t/")): Counted(
            one["calls"], one["revenueMicros"]
        )
        for one in snapshot["allApis"]
    }
    return Totals(found, snapshot["apis"]["total"] == snapshot["apis"]["shown"])


def _send(platform: Platform, body: bytes, done: Imported, output: Output) -> None:
    report = _report(platform, body, output)
    try:
        new, known, errors = int(report["imported"]), int(report["known"]), list(report["errors"])
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"The dispatcher's report cannot be read ({type(error).__name__}: {error}).",
            SAME_VERSION,
        ) from error
    done.new += new
    done.known += known
    if errors:
        raise CommandError(f"The dispatcher rejected events: {_shown(errors)}.", SAME_VERSION)


def _report(platform: Platform, body: bytes, output: Output) -> dict[str, Any]:
    until = time.monotonic() + WAIT_SECONDS_MAX
    pause = PAUSE_SECONDS
    while True:
        try:
            return platform.request("POST", PATH, {}, may_repeat=True, body=body)
        except NetworkError as error:
            if time.monotonic() + pause > until:
                raise
            output.progress(f"{error.message} Trying again.")
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _shown(errors: Sequence[Mapping[str, Any]]) -> str:
    texts = [f"{one.get('id')}: {'; '.join(one.get('reasons', []))}" for one in errors[:3]]
    return ", ".join([*texts, *(["…"] if len(errors) > len(texts) else [])])
