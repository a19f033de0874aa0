"""Checks the dispatcher: reachability, its own health report, freshness of analytics, and clock."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import httpx

from cli.analytics.formatting import plain_text, read_time, span_text
from cli.doctor.check import Check, State
from cli.errors import SAME_VERSION, CommandError
from cli.platform import LOCAL_HOSTS, Platform, Response
from cli.targets import Target

PART = "dispatcher"

CLOCK_WARNING_SECONDS: Final = 10.0
CLOCK_FAILURE_SECONDS: Final = 300.0
"""With a larger difference, TLS certificates and signatures may be rejected."""

_TIMEOUT = httpx.Timeout(30, connect=5)


def check_dispatcher(target: Target) -> Iterator[Check]:
    """Check the target's dispatcher, if its URL is known."""
    if target.known_dispatcher is None:
        yield Check(
            PART,
            "address",
            State.UNCHECKED,
            "not known",
            "Set --url or CLAWR_URL, or run `make dev`.",
        )
        return
    try:
        with Platform(target.known_dispatcher, _TIMEOUT) as platform:
            yield from _check(platform, target)
    except CommandError as error:
        yield Check(PART, "address", State.FAILED, error.message, error.advice)


def _check(platform: Platform, target: Target) -> Iterator[Check]:
    started = time.time()
    try:
        response = platform.send("GET", "/health")
    except CommandError as error:
        yield Check(PART, "/health", State.FAILED, error.message, error.advice)
        return
    yield _service(response, platform.url)
    yield from encryption_check(platform.url)
    date = response.headers.get("date")
    if date:
        yield clock_check(parsedate_to_datetime, date, started, time.time())
    assert target.known_dispatcher is not None
    if not target.known_dispatcher.token:
        yield Check(
            PART,
            "/__platform/health",
            State.UNCHECKED,
            "no token is configured",
            "Set PLATFORM_ANALYTICS_TOKEN to a token of this dispatcher.",
        )
        return
    health = partial(_health, is_local=target.is_local)
    for name, check in (("health", health), ("freshness", _freshness)):
        try:
            yield from check(platform, has_date=bool(date))
        except CommandError as error:
            yield Check(PART, name, State.FAILED, error.message, error.advice)
            return
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"the response cannot be read ({type(error).__name__}: {error})"
            yield Check(PART, name, State.FAILED, message, SAME_VERSION)
            return


def _service(response: Response, url: str) -> Check:
    document = response.document or {}
    if response.status == 200 and document.get("service") == "clawr-dispatcher":
        return Check(PART, "/health", State.OK, f"the dispatcher responds at {url}")
    message = f"{url} responds with status {response.status}, but is not a dispatcher"
    remedy = "Check the URL. At a tenant's host, /health is the tenant's own route."
    return Check(PART, "/health", State.FAILED, message, remedy)


def encryption_check(url: str) -> Iterator[Check]:
    """Warn if the token is sent unencrypted to another machine."""
    address = httpx.URL(url)
    if address.scheme == "http" and address.host not in LOCAL_HOSTS:
        message = f"the token is sent unencrypted to {url}"
        yield Check(PART, "encryption", State.WARNING, message, "Use an https URL.")


def clock_check(read: Callable[[str], datetime], text: str, started: float, ended: float) -> Check:
    """Compare this machine's clock with the time in a response.

    Args:
        read: Parses the time; raises `ValueError`.
        text: The time in the response, with a resolution of up to one second.
        started: When the request was sent, in seconds since 1970 by this machine's clock.
        ended: When the response was received, likewise.
    """
    try:
        theirs = read(text).timestamp()
    except ValueError:
        return Check(PART, "clock", State.UNCHECKED, "the response's time cannot be read")
    if started - theirs > 1:
        seconds, word = started - theirs - 1, "ahead of"
    else:
        seconds, word = max(0.0, theirs - ended), "behind"
    if seconds < CLOCK_WARNING_SECONDS:
        return Check(PART, "clock", State.OK, "this machine and the dispatcher agree")
    state = State.FAILED if seconds > CLOCK_FAILURE_SECONDS else State.WARNING
    message = f"this machine's clock is {span_text(seconds)} {word} the dispatcher's"
    return Check(PART, "clock", state, message, "Synchronize this machine's clock, such as by NTP.")


def _health(platform: Platform, *, has_date: bool, is_local: bool) -> Iterator[Check]:
    started = time.time()
    report = platform.get("/__platform/health")
    yield Check(PART, "/__platform/health", State.OK, "the token is accepted")
    if not has_date:
        # The responses of `make dev` have no Date header.
        yield clock_check(read_time, report["generatedAt"], started, time.time())
    missing = [name for name, bound in report["bindings"].items() if not bound]
    for problem in report["problems"]:
        yield Check(PART, str(problem["code"]), State.FAILED, str(problem["message"]))
    for notice in report["notices"]:
        # Only this machine reaches `make dev`, whose token is printed at every start.
        if is_local and notice["code"] == "token_weak":
            continue
        yield Check(PART, str(notice["code"]), State.WARNING, str(notice["message"]))
    if missing:
        message = f"not bound: {', '.join(missing)}"
        remedy = (
            "Add them to wrangler.toml: recording needs USAGE_KV and USAGE_SHARD, priced APIs need "
            "CONTROL_DB, quotas need QUOTAS, and publishing needs TENANT_KV."
        )
        yield Check(PART, "bindings", State.WARNING, message, remedy)
    else:
        yield Check(PART, "bindings", State.OK, ", ".join(report["bindings"]))
    directory = report["directory"]
    refused = len(directory["refused"])
    yield Check(
        PART,
        "directory",
        State.FAILED if refused else State.OK,
        f"{directory['usable']} valid records, {refused} invalid",
    )
    for facilitator in report["payments"].get("facilitators", ()):
        if facilitator["answers"]:
            networks = ", ".join(map(plain_text, facilitator["supports"])) or "no network in use"
            message = f"{plain_text(facilitator['url'])} accepts the Worker's secrets: {networks}"
            yield Check(PART, "facilitator", State.OK, message)
    yield from _log(report)


def _log(report: Mapping[str, Any]) -> Iterator[Check]:
    log = report["log"]
    if log:
        broken = [one for one in log["invariants"] if one["needsSomeone"]]
        message = f"{len(log['invariants'])} checked, {len(broken)} violated"
        yield Check(PART, "invariants", State.FAILED if broken else State.OK, message)
        for shard in log["shards"]:
            yield _shard(shard)
    isolate = report["isolate"]
    dropped, buffered = isolate["eventsDropped"], isolate["eventsBuffered"]
    yield Check(
        PART,
        "isolate",
        State.WARNING if dropped else State.OK,
        f"{isolate['eventsAcknowledged']} events acknowledged, {isolate['eventsSpilled']} spilled, "
        f"{buffered} buffered, {dropped} dropped",
        "Neither the shards nor KV accepted events for a long time. Check Cloudflare's status page."
        if dropped
        else "",
    )


def _shard(shard: Mapping[str, Any]) -> Check:
    name = f"shard {shard['shard']}"
    if not shard["responds"]:
        remedy = "Look in the log for errors of the Durable Object UsageShard."
        return Check(PART, name, State.FAILED, "does not respond", remedy)
    acknowledged, flushed = shard["acknowledged"], shard["flushed"]
    message = f"{acknowledged:,} commits, {acknowledged - flushed:,} of them not in KV yet"
    return Check(PART, name, State.OK, message)


def _freshness(platform: Platform, **_: bool) -> Iterator[Check]:
    document = platform.get("/__platform/analytics", window="today", top=1)
    freshness = document["snapshot"]["freshness"]
    message = f"counted up to {plain_text(freshness['asOf'])}, {freshness['lagSeconds']} s ago"
    if freshness["complete"]:
        yield Check(PART, "freshness", State.OK, message)
        return
    names = ("droppedEvents", "unavailableShards", "damagedTotals")
    reasons = ", ".join(f"{name} {freshness[name]}" for name in names if freshness[name])
    remedy = "docs/reference/health.md explains each reason."
    yield Check(PART, "freshness", State.WARNING, f"{message}; incomplete: {reasons}", remedy)
