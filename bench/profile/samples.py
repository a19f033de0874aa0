"""Samples a Worker under load with V8's profiler.

The profiler sees JavaScript, Python's WebAssembly and workerd's native functions. It cannot see
Python functions, only the interpreter; `bench.profile.counts` counts those.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from bench.budget.inspector import Inspector
from bench.budget.names import glue_functions, python_functions
from bench.load import load
from core.ports import Json
from dev.layout import HERE

INTERVAL_MICROSECONDS = 200
LONGEST_MICROSECONDS = 2 * INTERVAL_MICROSECONDS
CONNECTIONS = 4
WARM_UP_SECONDS = 3.0

PYTHON = "Python's interpreter (WebAssembly)"
BOUNDARY = "between WebAssembly and JavaScript"
GLUE = "Pyodide's glue (JavaScript)"
ENTRYPOINT = "workerd's entrypoint for Python (JavaScript)"
OWN = "the Worker's own JavaScript"
NAMESPACE = "the local dispatch namespace (JavaScript)"
NATIVE = "workerd's functions: fetch, Request, timers"
_PARTS_BY_ADDRESS = (
    ("wasm:", PYTHON),
    ("pyodideRuntime-internal:", GLUE),
    ("pyodide:", ENTRYPOINT),
    ("pyodide-internal:", ENTRYPOINT),
    ("dispatch-namespace:", NAMESPACE),
)
_NUMBERED = re.compile(r"wasm-function\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Samples:
    """Mean microseconds per request, by part and by function."""

    requests: int
    parts: Mapping[str, float]
    functions: Mapping[str, float]


def sampled(inspector: Inspector, port: int, target: str, seconds: float) -> Samples:
    """Sample a warm Worker under load on `target` for `seconds`."""
    load(port, target, seconds=WARM_UP_SECONDS, connections=CONNECTIONS)
    inspector.send("Profiler.enable")
    inspector.send("Profiler.setSamplingInterval", interval=INTERVAL_MICROSECONDS)
    inspector.send("Profiler.start")
    result = load(port, target, seconds=seconds, connections=CONNECTIONS)
    profile = inspector.send("Profiler.stop")["profile"]
    return read(profile, len(result.times))


def read(profile: Json, requests: int) -> Samples:
    """Parse a profile of V8.

    The format: https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile.
    """
    python, glue = python_functions(HERE), glue_functions(HERE)
    own_microseconds: Counter[int] = Counter()
    for node, microseconds in zip(profile["samples"], profile["timeDeltas"], strict=True):
        # A longer delta means that the machine was busy with other work.
        own_microseconds[node] += min(microseconds, LONGEST_MICROSECONDS)
    parts: defaultdict[str, float] = defaultdict(float)
    functions: defaultdict[str, float] = defaultdict(float)
    for node in profile["nodes"]:
        if node["id"] not in own_microseconds:
            continue
        share = own_microseconds[node["id"]] / requests
        frame = node["callFrame"]
        name, address = frame["functionName"], frame["url"]
        part = _part(name, address)
        if numbered := _NUMBERED.fullmatch(name):
            name = python.get(int(numbered[1]), name)
        elif part == GLUE:
            name = glue.get(name, name)
        parts[part] += share
        functions[f"{name or '(nameless)'}, {part}"] += share
    return Samples(requests, parts, functions)


def _part(name: str, address: str) -> str:
    if name.startswith("("):
        return {
            "(idle)": "idle",
            "(garbage collector)": "V8's collector",
            "(program)": "workerd, outside of JavaScript",
        }.get(name, name)
    if name.startswith(("wasm-to-js", "js-to-wasm")):
        return BOUNDARY
    for start, part in _PARTS_BY_ADDRESS:
        if address.startswith(start):
            return part
    return OWN if address else NATIVE
