"""`python -m dev.history`: generates demo history; `make demo HISTORY=30` calls it first.

Options come from the environment: HISTORY, PORT, STATE, TENANTS.
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
from dev.history.log import Entry, demo_marker, write_history
from dev.history.traffic import Span, make_events
from dev.launch.payments import with_priced_apis
from dev.layout import HERE
from tenants.records import parse_directory

DAYS_MAX = 39
"""Batches expire after 40 days."""

SEED = 1
PATIENCE_SECONDS = 20.0


class HistoryError(DevelopmentError):
    """History could not be generated; the message says what to do."""


def main() -> int:
    """Generate history in the log of the running dispatcher, unless it has some."""
    days = read_days(os.environ.get("HISTORY", ""))
    state = Path(os.environ.get("STATE") or HERE.cache / "state").absolute()
    console = Console(stderr=True)
    token = {"authorization": f"Bearer {default_token()}"}
    with httpx.Client(base_url=default_url(), headers=token, timeout=60) as client:
        kv = LocalKv(client, state)
        known = json.loads(kv.read(keys.DEMO_HISTORY) or "{}")
        if known.get("complete"):
            console.print(_summary(known, "Demo history exists already, nothing was added:"))
            return 0
        # An interrupted run is repeated with the same values under the same keys.
        end_ms = known.get("endMs") or int(time.time() * 1000)
        span = Span(known.get("days") or days, end_ms)
        _check_batches_exist(kv, span)
        before = overall_calls(client)
        calls = _generate(kv, span, known.get("seed") or SEED, console)
        if before is not None and not known:
            _await_calls(client, before + calls)
        console.print(_summary(json.loads(kv.read(keys.DEMO_HISTORY) or "{}"), "Generated:"))
    return 0


def read_days(text: str) -> int:
    """Return the days of `HISTORY`.

    Raises:
        UsageError: It is not a whole number from 1 to 39.
    """
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_MAX:
        raise UsageError(f"HISTORY={text} is not a number of days: give one from 1 to {DAYS_MAX}.")
    return int(text)


def _generate(kv: LocalKv, span: Span, seed: int, console: Console) -> int:
    demo = HERE.root / "dev" / "demo"
    text = (demo / "tenants.json").read_text(encoding="utf-8")
    directory = parse_directory(with_priced_apis(text, demo / "priced.json"))
    apis = {slug: tenant.api for slug, tenant in directory.by_slug.items()}
    priced = frozenset(slug for slug, tenant in directory.by_slug.items() if tenant.is_priced)
    events = make_events(apis, priced, span, seed)
    kv.write(keys.DEMO_HISTORY, demo_marker(span, seed, events, is_complete=False))
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
        entries = _in_order(store.unexpired(), existing)
        task = progress.add_task("writing values", total=len(entries))
        files.write(entries, lambda count: progress.advance(task, count))
    kv.write(keys.DEMO_HISTORY, demo_marker(span, seed, events, is_complete=True))
    return sum(event.counted for event in events)


def _in_order(entries: Mapping[str, Entry], existing: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return new and changed entries, with the compaction state last: it refers to the others."""
    chosen = {key: entry for key, entry in entries.items() if existing.get(key) != entry}
    progress = chosen.pop(keys.COMPACTION_STATE)
    return {**chosen, keys.COMPACTION_STATE: progress}


def _check_batches_exist(kv: LocalKv, span: Span) -> None:
    """Check that the log has no summaries whose batches have expired."""
    earliest = (span.end_ms - DAYS_MAX * DAY_MS) // MINUTE_MS
    prefix = keys.summaries("day")
    # Further parts of a large summary have one more slash.
    days = [name for name in kv.names(prefix) if name.count("/") == prefix.count("/")]
    if any(keys.parse_summary(name) < earliest for name in days):
        raise HistoryError(
            "The log in this STATE is older than its batches: use another one, with the same "
            "STATE= for `make dev` and `make demo`."
        )


def overall_calls(client: httpx.Client) -> int | None:
    """Return the calls of the window `overall`; `None` if they cannot be read."""
    response = client.get("/__platform/analytics", params={"window": "overall", "top": 1})
    if response.status_code != httpx.codes.OK:
        return None
    return int(response.json()["snapshot"]["heroStats"]["calls"])


def _await_calls(client: httpx.Client, expected: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := overall_calls(client)) is None or found < expected:
        if time.monotonic() > deadline:
            raise HistoryError(
                f"The dispatcher shows {found} calls instead of {expected}: restart it with the "
                "same STATE=."
            )
        time.sleep(0.25)


def _summary(mark: Mapping[str, object], beginning: str) -> str:
    return (
        f"{beginning} {mark['events']:,} events from {mark['from']} to {mark['to']} (seed "
        f"{mark['seed']}). They are not real traffic; the metric `clawr_demo_data` shows that."
    )


if __name__ == "__main__":
    sys.exit(run_command_line(main))
