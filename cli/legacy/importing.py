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
ID_PREFIX: Final = "legacy-"
_ATTEMPTS_MAX: Final = 1_000
"""How often the same list may be imported and undone."""

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
        undo_until: Until when the import can be undone, as a time; `None` if it cannot.
    """

    new: int = 0
    known: int = 0
    undo_until: str | None = None


def unused_id(platform: Platform, digest: bytes) -> str:
    """Return the id of the import of a list.

    It follows from the list, so that an interrupted import continues under its id. What was undone
    is not imported again under the same id, so it has a number in that case.

    Args:
        platform: The dispatcher's platform API.
        digest: A digest of the list.

    Raises:
        CommandError: The dispatcher rejected a request, failed, or could not be reached.
    """
    base = f"{ID_PREFIX}{digest.hex()}"
    for number in range(1, _ATTEMPTS_MAX):
        import_id = base if number == 1 else f"{base}-{number}"
        if state_of(platform, import_id)["state"] != "undone":
            return import_id
    raise CommandError(f"This list was imported and undone {_ATTEMPTS_MAX - 1:,} times.")


def state_of(platform: Platform, import_id: str) -> dict[str, Any]:
    """Return what the dispatcher knows of an import.

    Args:
        platform: The dispatcher's platform API.
        import_id: The import.
    """
    parameters = {"undo": import_id, "dryRun": "true"}
    return platform.request("POST", PATH, parameters, may_repeat=True)


def undo(platform: Platform, import_id: str) -> dict[str, Any]:
    """Undo an import; return its state.

    Args:
        platform: The dispatcher's platform API.
        import_id: The import.

    Raises:
        CommandError: There is no such import, it is folded, or the dispatcher failed.
    """
    return platform.request("POST", PATH, {"undo": import_id}, may_repeat=True)


def import_events(
    lines: Iterable[bytes], total: int, import_id: str, platform: Platform, output: Output
) -> Imported:
    """Send all events; if it fails, running the same command again continues.

    Args:
        lines: The events, each as one line of JSON.
        total: Their number.
        import_id: By which the import can be undone.
        platform: The dispatcher's platform API.
        output: Shows the progress.

    Raises:
        CommandError: A request or an event was rejected, or the server could not be reached.
    """
    done = Imported()
    with output.advancing("Importing events", total) as advance:
        for body in requests(lines):
            try:
                _send(platform, body, import_id, done, output)
            except CommandError as error:
                sent = f"{done.new + done.known:,} of {total:,} events are imported."
                advice = (
                    f"{error.advice} Run the same command again: no event counts twice. Or undo it "
                    f"with --undo {import_id}."
                )
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

    def of_tenant(self, tenant_id: str) -> int | None:
        """Return the revenue of a tenant in micro-dollars; `None` if it is not known."""
        own = [one for name, one in self.apis.items() if name.tenant_id == tenant_id]
        return sum(one.revenue_micros for one in own) if own or self.is_whole else None

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


def _send(platform: Platform, body: bytes, import_id: str, done: Imported, output: Output) -> None:
    report = _report(platform, body, import_id, output)
    try:
        done.undo_until = report["undoUntil"]
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


def _report(platform: Platform, body: bytes, import_id: str, output: Output) -> dict[str, Any]:
    until = time.monotonic() + WAIT_SECONDS_MAX
    pause = PAUSE_SECONDS
    while True:
        try:
            return platform.request("POST", PATH, {"id": import_id}, may_repeat=True, body=body)
        except NetworkError as error:
            if time.monotonic() + pause > until:
                raise
            output.progress(f"{error.message} Trying again.")
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _shown(errors: Sequence[Mapping[str, Any]]) -> str:
    texts = [f"{one.get('id')}: {'; '.join(one.get('reasons', []))}" for one in errors[:3]]
    return ", ".join([*texts, *(["…"] if len(errors) > len(texts) else [])])
