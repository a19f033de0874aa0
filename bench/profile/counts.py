"""Profiles one request of the dispatcher and of pass-through Workers.

Crossings, allocations and bytecode instructions are exact counts with the bundle of
`bench.budget`. Samples are taken with the plain bundle under load, and depend on the machine.
"""

from __future__ import annotations

import http.client
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.budget.counter import Counts, CrossingCounter
from bench.budget.inspector import Inspector
from bench.budget.server import running_attached
from bench.profile.samples import Samples, sampled
from core.ports import Json
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.launch.server import Server
from dev.layout import HERE

CONTENDERS = HERE.root / "bench" / "contenders"
INSTRUCTIONS = HERE.root / "bench" / "inside" / "instructions.py"
TARGET = "/t/echo/"
TENANTS = '{"tenants": [{"slug": "echo", "tenantId": "bench", "workerName": "echo"}]}'
WARM_UP = 16
COUNTED = 3
NOON_MS = 1_795_262_400_000


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profiled Worker; `main` is `None` for this dispatcher, `has_class` is of the SDK."""

    letter: str
    what: str
    main: str | None
    has_class: bool = False


ALL = (
    Profiled("b", "Python without the SDK's class, passes on", "bare.py"),
    Profiled("c", "Python with the SDK, passes on", "sdk.py", has_class=True),
    Profiled("f", "this dispatcher, a free API", None),
)


@dataclass(frozen=True, slots=True)
class ProfileFigures:
    """The profile of one request; `instructions` are Python bytecode instructions by function."""

    letter: str
    what: str
    to_javascript: Counter[str]
    to_python: Counter[str]
    allocations: int
    instructions: Counter[str]
    samples: Samples

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {
            "letter": self.letter,
            "what": self.what,
            "toJavascript": dict(self.to_javascript),
            "toPython": dict(self.to_python),
            "allocations": self.allocations,
            "instructions": dict(self.instructions),
            "sampledRequests": self.samples.requests,
            "microsecondsByPart": dict(self.samples.parts),
            "microsecondsByFunction": dict(self.samples.functions),
        }


def measure(seconds: float, say: Callable[[str], None]) -> list[ProfileFigures]:
    """Profile all Workers; each is sampled for `seconds`."""
    return [_profiled(one, seconds, say) for one in ALL]


def _profiled(one: Profiled, seconds: float, say: Callable[[str], None]) -> ProfileFigures:
    say(f"counting a request of ({one.letter})")
    with _running(one, is_counting=True) as (server, inspector):
        counter = CrossingCounter(inspector)
        connection = http.client.HTTPConnection(HOST, server.port)
        counts = _counted(counter, connection)
        instructions = _instructions(counter, connection)
        connection.close()
    say(f"sampling ({one.letter}) under load")
    with _running(one, is_counting=False) as (server, inspector):
        samples = sampled(inspector, server.port, TARGET, seconds)
    return ProfileFigures(
        one.letter,
        one.what,
        counts.to_javascript,
        counts.to_python,
        counts.allocations,
        instructions,
        samples,
    )


def _counted(counter: CrossingCounter, connection: http.client.HTTPConnection) -> Counts:
    """Return the minimum counts of a request without a commit."""
    counter.set_clock(NOON_MS)
    counter.hold_timers()
    counter.watch_allocator()
    for _ in range(WARM_UP):
        _request(connection)
    found = []
    for _ in range(COUNTED):
        counter.reset()
        _request(connection)
        found.append(counter.read())
    return min(found, key=lambda counts: counts.allocations)


def _instructions(counter: CrossingCounter, connection: http.client.HTTPConnection) -> Counter[str]:
    counter.run(INSTRUCTIONS.read_text(encoding="utf-8"))
    found: list[Counter[str]] = []
    for _ in range(COUNTED):
        counter.run("begin()")
        _request(connection)
        rows = json.loads(counter.run("end()"))
        found.append(_by_function(rows))
    return found[-1]


def _by_function(rows: list[tuple[str, str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for file, function, count in rows:
        module = file.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
        found[f"{module}.{function}"] += count
    return found


def _request(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", TARGET, headers={"x-agent-id": "bench"})
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{TARGET}: {response.status} {body[:300]!r}")


@contextmanager
def _running(one: Profiled, *, is_counting: bool) -> Iterator[tuple[Server, Inspector]]:
    with TemporaryDirectory() as state:
        options = LaunchOptions(
            port=0,
            state=Path(state),
            namespace=CONTENDERS / "namespace",
            tenant_directory=TENANTS,
        )
        adapt = partial(_adapt, one)
        with running_attached(
            HERE, options, is_counting=is_counting, adapt=adapt, ready=TARGET
        ) as found:
            yield found


def _adapt(one: Profiled, folder: RunFolder, config: dict[str, Any]) -> None:
    # In production the edge serves files, not the Worker.
    config.pop("assets", None)
    if one.main is None:
        return
    inside = folder.path / "bench_contender"
    inside.mkdir()
    shutil.copy(CONTENDERS / one.main, inside)
    config["main"] = f"bench_contender/{one.main}"
    for name in ("durable_objects", "migrations", "ratelimits", "rules"):
        config.pop(name, None)
    if one.has_class:
        config["compatibility_flags"].remove("disable_python_no_global_handlers")
