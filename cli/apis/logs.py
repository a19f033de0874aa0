"""Implements `clawr logs`: what the script of an API did."""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from cli.analytics.dates import read_moment
from cli.analytics.event_log import EventFilter, newest_events
from cli.analytics.event_output import print_events
from cli.analytics.formatting import plain_text
from cli.apis.script_log import open_log
from cli.apis.tail import follow_tail, notice_of, traces_of
from cli.apis.traces import Trace
from cli.errors import InputError, MissingError
from cli.output import Output
from cli.platform import Platform
from cli.publish.plan import other_users
from cli.publish.store import Store
from cli.targets import Target

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 10_000

_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which traces are shown.

    Args:
        limit: How many past requests.
        since: Leaves out requests before this time; `None` for none.
        is_failed_only: Whether only failed requests, and those that log an error, are shown.
    """

    limit: int
    since: datetime | None
    is_failed_only: bool

    def shows(self, trace: Trace) -> bool:
        """Return whether a trace is shown."""
        return trace.is_failed or not self.is_failed_only


def read_since(text: str | None, now: datetime | None = None) -> datetime | None:
    """Return the time of `--since`.

    Args:
        text: A duration such as `10m`, or a time; `None` for none.
        now: The current time; `None` for the clock's.

    Raises:
        InputError: It is neither.
    """
    if text is None:
        return None
    span = _SPAN.fullmatch(text)
    if span is None:
        return read_moment("--since", text)
    return (now or datetime.now(UTC)) - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])


def show_logs(
    store: Store, target: Target, slug: str, options: LogOptions, output: Output, *, follow: bool
) -> None:
    """Print what the script of an API did; with `follow`, until interrupted.

    Args:
        store: The directory.
        target: The account or `make dev`.
        slug: The API.
        options: Which traces are shown.
        output: The output.
        follow: Whether to print new ones as they happen.

    Raises:
        MissingError: The slug is not published, or there is no dispatcher on the account.
        CommandError: The log could not be read.
    """
    with output.working("Reading …"):
        published = store.published(slug)
        if not published.source:
            raise MissingError(
                f"{slug} is not published.", "`clawr apis` lists the published APIs."
            )
        script = str(published.record.get("workerName"))
        others = list(other_users(store.records(), slug, script))
    if others:
        output.progress(
            f"The script {script} also serves {', '.join(others)}; their requests are included."
        )
    log = open_log(target, script)
    if log is None and not follow:
        _show_events(target, slug, options, output)
        return
    past = [one for one in log.read(options.since) if options.shows(one)] if log else []
    past = past[-options.limit :] if options.limit else []
    if not follow:
        document = {"slug": slug, "script": script, "requests": [one.document for one in past]}
        output.result(document, lambda console: _show(console, past, slug))
        return
    for trace in past:
        _entry(output, trace)
    # An interrupt must delete the tail at once.
    with closing(log.follow() if log else _tail(store, slug, script, output)) as new:
        for trace in new:
            if options.shows(trace):
                _entry(output, trace)


def _tail(store: Store, slug: str, script: str, output: Output) -> Generator[Trace]:
    if store.dispatcher is None:
        raise MissingError(
            "The account has no dispatcher whose tail could be read.",
            "`clawr deploy-dispatcher` deploys it; --dispatcher names one of several.",
        )
    output.progress(f"Waiting for requests to {slug} …")
    tail = follow_tail(store.client, store.account_id, store.dispatcher, output.note)
    with closing(tail) as messages:
        for message in messages:
            notice = notice_of(message)
            if notice:
                output.note(plain_text(notice))
            yield from traces_of(message, script, slug)


def _show_events(target: Target, slug: str, options: LogOptions, output: Output) -> None:
    """Print past requests from the usage log, because Cloudflare keeps no tail's past."""
    if target.known_dispatcher is None:
        raise InputError(
            "What scripts print is only known while they run.",
            "Add --follow, or set CLAWR_URL and PLATFORM_ANALYTICS_TOKEN to list past requests.",
        )
    statuses = ["4xx", "5xx"] if options.is_failed_only else []
    with Platform(target.known_dispatcher) as platform, output.working("Reading the log …"):
        wanted = EventFilter([slug], statuses)
        found, searched = newest_events(platform, wanted, options.limit)
    since = options.since
    print_events(output, [one for one in found if since is None or one.at >= since], searched)
    output.note("Exceptions and output of the script are shown while they happen: add --follow.")


def _entry(output: Output, trace: Trace) -> None:
    def show(console: Console) -> None:
        for line in trace.lines():
            console.print(line)

    output.entry(trace.document, show)


def _show(console: Console, traces: list[Trace], slug: str) -> None:
    if not traces:
        console.print(f"No requests to {slug} are logged.", markup=False)
    for trace in traces:
        for line in trace.lines():
            console.print(line)


def parsed_options(limit: int | None, since: str | None, **flags: Any) -> LogOptions:  # noqa: ANN401
    """Return checked options; raises `InputError`."""
    return LogOptions(LIMIT_DEFAULT if limit is None else limit, read_since(since), **flags)
