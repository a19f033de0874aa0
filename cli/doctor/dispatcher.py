"""The dispatcher: whether it answers, what it says is wrong, how old its figures are, its clock."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from cli.analytics.formatting import plain_text, read_time, span_text
from cli.doctor.check import Check, State
from cli.errors import CommandError
from cli.platform import HOSTS_HERE, Answer, Platform
from cli.targets import Target

PART = "dispatcher"

CLOCK_SECONDS_TO_NOTICE: Final = 10.0
CLOCK_SECONDS_MAX: Final = 300.0
"""With a clock that is further off, TLS certificates and signatures begin to fail."""

BACKLOG_MINUTES_TO_NOTICE: Final = 5
"""Cron makes a minute's summary in two (docs/reference/health.md)."""

_TIMEOUT = httpx.Timeout(30, connect=5)
_CRON = {
    True: "`make dev` runs no cron by itself; reads make what they need.",
    False: "See that the cron trigger of wrangler.toml is deployed, and its log.",
}


def check_dispatcher(target: Target) -> Iterator[Check]:
    """Look at the target's dispatcher, if its address is known."""
    if target.known_dispatcher is None:
        yield Check(
            PART,
            "address",
            State.UNCHECKED,
            "not known",
            "Give --url or CLAWR_URL, or run `make dev`.",
        )
        return
    try:
        with Platform(target.known_dispatcher, _TIMEOUT) as platform:
            yield from _look(platform, target)
    except CommandError as error:
        yield Check(PART, "address", State.FAILED, error.message, error.advice)


def _look(platform: Platform, target: Target) -> Iterator[Check]:
    started = time.time()
    try:
        answer = platform.send("GET", "/health")
    except CommandError as error:
        yield Check(PART, "/health", State.FAILED, error.message, error.advice)
        return
    yield _service(answer, platform.url)
    yield from encryption_check(platform.url)
    date = answer.headers.get("date")
    if date:
        yield clock_check(parsedate_to_datetime, date, started, time.time())
    assert target.known_dispatcher is not None
    if not target.known_dispatcher.token:
        yield Check(
            PART,
            "/__platform/health",
            State.UNCHECKED,
            "there is no token",
            "Set PLATFORM_ANALYTICS_TOKEN to a token of this dispatcher.",
        )
        return
    for look in (_health, _freshness):
        try:
            yield from look(platform, target, has_date=bool(date))
        except CommandError as error:
            yield Check(PART, look.__name__.strip("_"), State.FAILED, error.message, error.advice)
            return
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            said = f"an answer that cannot be read ({type(error).__name__}: {error})"
            remedy = "Use the command of the same version as the dispatcher."
            yield Check(PART, look.__name__.strip("_"), State.FAILED, said, remedy)
            return


def _service(answer: Answer, url: str) -> Check:
    document = answer.document or {}
    if answer.status == 200 and document.get("service") == "clawr-dispatcher":
        return Check(PART, "/health", State.OK, f"answers at {url}")
    said = f"{url} answers with status {answer.status}, and not as a dispatcher does"
    remedy = "Check the address; at a tenant's host, /health is the tenant's."
    return Check(PART, "/health", State.FAILED, said, remedy)


def encryption_check(url: str) -> Iterator[Check]:
    """Look whether the token goes through a network as it is; on this machine it may."""
    address = httpx.URL(url)
    if address.scheme == "http" and address.host not in HOSTS_HERE:
        said = f"{url} is not encrypted, and the token is sent there"
        yield Check(PART, "encryption", State.WARNING, said, "Use the https address.")


def clock_check(read: Callable[[str], datetime], text: str, started: float, ended: float) -> Check:
    """Compare this machine's clock with the time that an answer gives.

    Args:
        read: Reads the time; raises `ValueError` if it is none.
        text: The time, perhaps in whole seconds.
        started: When the request was sent, by this machine, in seconds since the epoch.
        ended: When the answer was there.
    """
    try:
        theirs = read(text).timestamp()
    except ValueError:
        return Check(PART, "clock", State.UNCHECKED, "the answer's time cannot be read")
    if started - theirs > 1:
        seconds, word = started - theirs - 1, "ahead of"
    else:
        seconds, word = max(0.0, theirs - ended), "behind"
    if seconds < CLOCK_SECONDS_TO_NOTICE:
        return Check(PART, "clock", State.OK, "this machine and the dispatcher agree")
    state = State.FAILED if seconds > CLOCK_SECONDS_MAX else State.WARNING
    said = f"this machine's clock is {span_text(seconds)} {word} the dispatcher's"
    return Check(PART, "clock", state, said, "Set this machine's clock, by NTP if it can.")


def _health(platform: Platform, target: Target, *, has_date: bool) -> Iterator[Check]:
    started = time.time()
    report = platform.get("/__platform/health")
    yield Check(PART, "/__platform/health", State.OK, "the token opens it")
    if not has_date:
        # As under `make dev`, whose answers have no such header.
        yield clock_check(read_time, report["generatedAt"], started, time.time())
    missing = [name for name, bound in report["bindings"].items() if not bound]
    for problem in report["problems"]:
        yield Check(PART, str(problem["code"]), State.FAILED, str(problem["message"]))
    for notice in report["notices"]:
        yield Check(PART, str(notice["code"]), State.WARNING, str(notice["message"]))
    if missing:
        said = f"not bound: {', '.join(missing)}"
        remedy = "Priced APIs need CONTROL_DB, quotas QUOTAS, publishing TENANT_KV: wrangler.toml."
        yield Check(PART, "bindings", State.WARNING, said, remedy)
    else:
        yield Check(PART, "bindings", State.OK, ", ".join(report["bindings"]))
    directory = report["directory"]
    refused = len(directory["refused"])
    yield Check(
        PART,
        "directory",
        State.FAILED if refused else State.OK,
        f"{directory['usable']} records can be used, {refused} are refused",
    )
    yield from _log(report, is_local=target.is_local)


def _log(report: Mapping[str, Any], *, is_local: bool) -> Iterator[Check]:
    log = report["log"]
    if log:
        broken = [one for one in log["invariants"] if one["needsSomeone"]]
        said = f"{len(log['invariants'])} looked at, {len(broken)} broken"
        yield Check(PART, "invariants", State.FAILED if broken else State.OK, said)
        yield _cron(log["backlogMinutes"], is_local=is_local)
    isolate = report["isolate"]
    dropped, held = isolate["eventsDropped"], isolate["eventsHeld"]
    yield Check(
        PART,
        "isolate",
        State.WARNING if dropped else State.OK,
        f"{isolate['eventsCommitted']} events committed, {held} held, {dropped} dropped",
        "KV refused writes for long: look at Cloudflare's status." if dropped else "",
    )


def _cron(backlog_minutes: int | None, *, is_local: bool) -> Check:
    if backlog_minutes is None:
        state = State.UNCHECKED if is_local else State.WARNING
        return Check(PART, "cron", state, "it has never run", _CRON[is_local])
    said = f"the last compaction was {span_text(backlog_minutes * 60)} ago"
    if is_local or backlog_minutes <= BACKLOG_MINUTES_TO_NOTICE:
        return Check(PART, "cron", State.OK, said)
    return Check(PART, "cron", State.WARNING, said, _CRON[is_local])


def _freshness(platform: Platform, _: Target, **__: bool) -> Iterator[Check]:
    document = platform.get("/__platform/analytics", window="today", top=1)
    freshness = document["snapshot"]["freshness"]
    said = f"counted up to {plain_text(freshness['asOf'])}, {freshness['lagSeconds']} s ago"
    if freshness["complete"]:
        yield Check(PART, "freshness", State.OK, said)
        return
    names = ("droppedEvents", "missingBatches", "unreadableBatches", "behind")
    reasons = ", ".join(f"{name} {freshness[name]}" for name in names if freshness[name])
    remedy = "docs/reference/health.md says what each means."
    yield Check(PART, "freshness", State.WARNING, f"{said}; not complete: {reasons}", remedy)
