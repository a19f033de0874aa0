"""`python -m dev.history`: what `make demo HISTORY=30` does before it sends requests.

Options come from the environment, as make passes them: HISTORY, PORT, STATE, TENANTS.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core import keys
from core.calendar import DAY_MS, MINUTE_MS
from dev.demo.__main__ import default_token, default_url
from dev.errors import DevelopmentError, UsageError, run_command_line
from dev.history.local_kv import LocalKv
from dev.history.log import Entry, mark_of, write_history
from dev.history.traffic import Span, make_events
from dev.launch.payments import with_priced_apis
from dev.layout import HERE
from tenants.records import parse_directory

DAYS_MAX = 39
"""Batches expire after 40 days."""

SEED = 1
PATIENCE_SECONDS = 20.0


class HistoryError(DevelopmentError):
    """History could not be made up; the message says what to do."""


def main() -> int:
    """Make up history in the log of the running dispatcher, once."""
    days = read_days(os.environ.get("HISTORY", ""))
    state = Path(os.environ.get("STATE") or HERE.cache / "state").absolute()
    console = Console(stderr=True)
    token = {"authorization": f"Bearer {default_token()}"}
    with httpx.Client(base_url=default_url(), headers=token, timeout=60) as client:
        kv = LocalKv(client, state)
        known = json.loads(kv.read(keys.DEMO_HISTORY) or "{}")
        if known.get("complete"):
            console.print(_told(known, "There is made-up history already, and nothing was added:"))
            return 0
        # One that was interrupted is made up again as it was, under the same keys.
        end_ms = known.get("endMs") or int(time.time() * 1000)
        span = Span(known.get("days") or days, end_ms)
        _check_nothing_older(kv, span)
        before = overall_calls(client)
        calls = _make_up(kv, span, known.get("seed") or SEED, console)
        if before is not None and not known:
            _await_calls(client, before + calls)
        console.print(_told(json.loads(kv.read(keys.DEMO_HISTORY) or "{}"), "Made up:"))
    return 0


def read_days(text: str) -> int:
    """Return how many days of history `HISTORY` asks for.

    Raises:
        UsageError: It is not a whole number from 1 to 39.
    """
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_MAX:
        raise UsageError(f"HISTORY={text} is not a number of days: give one from 1 to {DAYS_MAX}.")
    return int(text)


def _make_up(kv: LocalKv, span: Span, seed: int, console: Console) -> int:
    demo = HERE.root / "dev" / "demo"
    text = (demo / "tenants.json").read_text(encoding="utf-8")
    directory = parse_directory(with_priced_apis(text, demo / "priced.json"))
    apis = {slug: tenant.api for slug, tenant in directory.by_slug.items()}
    sold = frozenset(slug for slug, tenant in directory.by_slug.items() if tenant.is_priced)
    events = make_events(apis, sold, span, seed)
    kv.write(keys.DEMO_HISTORY, mark_of(span, seed, events, is_whole=False))
    files = kv.files(keys.DEMO_HISTORY)
    existing = {**kv.entries(keys.USAGE_PREFIX), **kv.entries(keys.LATE_PREFIX)}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("compacting minutes", total=None)
        store = asyncio.run(
            write_history(
                events,
                span,
                existing,
                lambda done, every: progress.update(task, completed=done, total=every),
            )
        )
        entries = _in_order(store.living(), existing)
        task = progress.add_task("writing values", total=len(entries))
        files.write(entries, lambda count: progress.advance(task, count))
    kv.write(keys.DEMO_HISTORY, mark_of(span, seed, events, is_whole=True))
    return sum(event.counted for event in events)


def _in_order(entries: Mapping[str, Entry], existing: Mapping[str, Entry]) -> dict[str, Entry]:
    """Choose what is new or different; progress comes last, as it says that the rest is there."""
    chosen = {key: entry for key, entry in entries.items() if existing.get(key) != entry}
    progress = chosen.pop(keys.COMPACTION_STATE)
    return {**chosen, keys.COMPACTION_STATE: progress}


def _check_nothing_older(kv: LocalKv, span: Span) -> None:
    """Refuse a log whose summaries reach back to where batches have expired."""
    earliest = (span.end_ms - DAYS_MAX * DAY_MS) // MINUTE_MS
    prefix = keys.summaries("day")
    # Further parts of a large summary have a slash more.
    days = [name for name in kv.names(prefix) if name.count("/") == prefix.count("/")]
    if any(keys.parse_summary(name) < earliest for name in days):
        raise HistoryError(
            "This STATE has a log of its own that is older than its batches: make history up "
            "in another one, with the same STATE= for `make dev` and `make demo`."
        )


def overall_calls(client: httpx.Client) -> int | None:
    """Return the calls of `overall`, `None` when the dispatcher does not say."""
    answer = client.get("/__platform/analytics", params={"window": "overall", "top": 1})
    if answer.status_code != httpx.codes.OK:
        return None
    return int(answer.json()["snapshot"]["heroStats"]["calls"])


def _await_calls(client: httpx.Client, expected: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := overall_calls(client)) is None or found < expected:
        if time.monotonic() > deadline:
            raise HistoryError(
                f"The dispatcher shows {found} calls in place of {expected}: start it again with "
                "the same STATE=."
            )
        time.sleep(0.25)


def _told(mark: Mapping[str, object], beginning: str) -> str:
    return (
        f"{beginning} {mark['events']:,} events from {mark['from']} to {mark['to']} (seed "
        f"{mark['seed']}). They are no real traffic: `clawr_demo_data` in the metrics says so."
    )


if __name__ == "__main__":
    sys.exit(run_command_line(main))
