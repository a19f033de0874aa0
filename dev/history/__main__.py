"""`python -m dev.history`: generates demo history; `make demo HISTORY=30` calls it first.

Options come from the environment: HISTORY, PORT, VARS.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core import keys
from dev.demo.__main__ import default_token, default_url
from dev.errors import DevelopmentError, UsageError, run_command_line
from dev.history.local_kv import LocalKv
from dev.history.records import demo_marker, import_record
from dev.history.traffic import Span, make_events
from dev.launch.payments import with_priced_apis
from dev.layout import HERE
from metering.events import UsageEvent
from tenants.records import parse_directory

DAYS_MAX = 90
"""More would take many minutes."""

SEED = 1
EVENTS_PER_REQUEST = 1_000


class HistoryError(DevelopmentError):
    """History could not be generated; the message says what to do."""


def main() -> int:
    """Generate history in the log of the running dispatcher, unless it has some."""
    days = read_days(os.environ.get("HISTORY", ""))
    console = Console(stderr=True)
    token = {"authorization": f"Bearer {default_token()}"}
    with httpx.Client(base_url=default_url(), headers=token, timeout=60) as client:
        kv = LocalKv(client)
        known = json.loads(kv.read(keys.DEMO_HISTORY) or "{}")
        if known.get("complete"):
            console.print(_summary(known, "Demo history exists already, nothing was added:"))
            return 0
        # An interrupted run is repeated with the same events, which are counted once.
        span = Span(known.get("days") or days, known.get("endMs") or int(time.time() * 1000))
        seed = known.get("seed") or SEED
        events = _generate(span, seed)
        kv.write(keys.DEMO_HISTORY, demo_marker(span, seed, events, is_complete=False))
        _import(client, events, console)
        mark = demo_marker(span, seed, events, is_complete=True)
        kv.write(keys.DEMO_HISTORY, mark)
        console.print(_summary(json.loads(mark), "Generated:"))
    return 0


def read_days(text: str) -> int:
    """Return the days of `HISTORY`.

    Raises:
        UsageError: It is not a whole number from 1 to 90.
    """
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_MAX:
        raise UsageError(f"HISTORY={text} is not a number of days: give one from 1 to {DAYS_MAX}.")
    return int(text)


def _generate(span: Span, seed: int) -> Sequence[UsageEvent]:
    demo = HERE.root / "dev" / "demo"
    text = (demo / "tenants.json").read_text(encoding="utf-8")
    directory = parse_directory(with_priced_apis(text, demo / "priced.json"))
    apis = {slug: tenant.api for slug, tenant in directory.by_slug.items()}
    priced = frozenset(slug for slug, tenant in directory.by_slug.items() if tenant.is_priced)
    return make_events(apis, priced, span, seed)


def _import(client: httpx.Client, events: Sequence[UsageEvent], console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("importing events", total=len(events))
        for start in range(0, len(events), EVENTS_PER_REQUEST):
            part = events[start : start + EVENTS_PER_REQUEST]
            lines = "\n".join(json.dumps(import_record(event)) for event in part)
            response = client.post("/__platform/import", content=lines.encode())
            if response.status_code != httpx.codes.OK or response.json()["rejected"]:
                raise HistoryError(f"The dispatcher did not import events: {response.text[:300]}")
            progress.advance(task, len(part))


def _summary(mark: Mapping[str, object], beginning: str) -> str:
    return (
        f"{beginning} {mark['events']:,} events from {mark['from']} to {mark['to']} (seed "
        f"{mark['seed']}). They are not real traffic; the metric `clawr_demo_data` shows that."
    )


if __name__ == "__main__":
    sys.exit(run_command_line(main))
