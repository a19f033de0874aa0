"""Compares the cost of a request with alternatives to this dispatcher.

All contenders run at the same time, and the same client measures them in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.load import load
from bench.requests import bodies
from bench.requests.bodies import BodyFigures
from bench.requests.contender import Contender, Running, running
from bench.requests.figures import RequestFigures
from bench.server import cpu_seconds_of

CONNECTIONS = 16
MEGABYTE = 1_000_000
STREAM = "64/16384/5"
"""A streamed response: 64 chunks of 16 KiB, 5 ms apart: a megabyte in a third of a second."""

FREE = (
    Contender("a", "JavaScript, passes on", "pass_through.js"),
    Contender("b", "Python without the SDK's class, passes on", "bare.py"),
    Contender("c", "Python with the SDK, passes on", "sdk.py"),
    Contender("d", "JavaScript, the log in one value", "one_value.js"),
    Contender("e", "Python, one key an event", "key_an_event.py"),
    Contender("f", "this dispatcher, a free API"),
)


class Measured(NamedTuple):
    """The results of all contenders."""

    requests: list[RequestFigures]
    bodies: list[BodyFigures]


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> Measured:
    """Run all contenders in `rounds` alternating rounds of `seconds` each."""
    with TemporaryDirectory() as name, ExitStack() as parts:

        def start(contender: Contender) -> Running:
            say(f"starting ({contender.letter}) {contender.what}")
            return parts.enter_context(running(contender, Path(name) / contender.letter))

        free = [start(one) for one in FREE]
        measurements = [_Passing(one) for one in free]
        say("warming up")
        for each in measurements:
            each.warm_up()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for each in measurements:
                each.run_round(seconds)
        say("counting entries of the logs")
        found = [each.finished() for each in measurements]
        return Measured(found, bodies.measure(free, say))


@dataclass(slots=True)
class _Passing:
    """Measures a contender with a free API."""

    running: Running
    _figures: RequestFigures = field(init=False)

    def __post_init__(self) -> None:
        self._figures = RequestFigures(self.running.contender.letter, self.running.contender.what)

    def warm_up(self) -> None:
        self._figures.sent += len(
            load(self.running.port, "/t/echo/", seconds=1, connections=4).times
        )

    def run_round(self, seconds: float) -> None:
        port, process, figures = self.running.port, self.running.process, self._figures
        third = seconds / 3
        alone = load(port, "/t/echo/", seconds=third, connections=1)
        before = cpu_seconds_of(process)
        busy = load(port, "/t/echo/", seconds=seconds, connections=CONNECTIONS)
        figures.add(alone, busy, cpu_seconds_of(process) - before)
        down = load(port, f"/t/echo/bytes/{MEGABYTE}", seconds=third, connections=1)
        body = bytes(10 * MEGABYTE)
        up = load(port, "/t/echo/", seconds=third, connections=1, method="POST", body=body)
        stream = load(port, f"/t/echo/stream/{STREAM}", seconds=third, connections=1)
        figures.download_ms.append(down.quantile_ms(0.5))
        figures.upload_ms.append(up.quantile_ms(0.5))
        figures.first_ms.append(stream.first_quantile_ms(0.5))
        figures.last_ms.append(stream.quantile_ms(0.5))
        self._figures.sent += sum(len(one.times) for one in (alone, busy, down, up, stream))

    def finished(self) -> RequestFigures:
        self._figures.recorded = self.running.recorded()
        return self._figures
