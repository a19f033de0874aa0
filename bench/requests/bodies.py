"""Measures workerd's memory during uploads, which would grow if bodies were buffered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import request_text, send_each
from bench.requests.contender import Running
from core.ports import Json

TURNS = 3
TURN_MB = 200
"""Total upload of each body size, so that both create the same amount of garbage."""

WATCHED = ("b", "f")
MEGABYTE = 1_000_000


@dataclass(slots=True)
class BodyFigures:
    """Peak resident memory of a contender's workerd during uploads, in megabytes.

    It includes V8, Pyodide, KV and the script that reads the bodies. `small_mb` is with bodies of
    1 kB, `ten_mb` and `hundred_mb` by turn with bodies of 10 and 100 MB.
    """

    letter: str
    what: str
    small_mb: float
    ten_mb: list[float] = field(default_factory=list)
    hundred_mb: list[float] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure(all_running: list[Running], say: Callable[[str], None]) -> list[BodyFigures]:
    """Send uploads of increasing size to the `WATCHED` contenders."""
    found = []
    for running in all_running:
        contender = running.contender
        if contender.letter in WATCHED:
            say(f"memory during uploads: ({contender.letter})")
            small = _peak_mb(running, 0.001, TURN_MB // 10)
            figures = BodyFigures(contender.letter, contender.what, small)
            # The first uploads of a size grow buffers that are reused.
            _peak_mb(running, 10, TURN_MB // 10)
            for _ in range(TURNS):
                figures.ten_mb.append(_peak_mb(running, 10, TURN_MB // 10))
                figures.hundred_mb.append(_peak_mb(running, 100, TURN_MB // 100))
            found.append(figures)
    return found


def _peak_mb(running: Running, size_mb: float, uploads: int) -> float:
    """Send bodies sequentially, and return the peak memory meanwhile."""
    body = bytes(round(size_mb * MEGABYTE))
    upload = request_text(running.port, "/t/echo/", method="POST", body=body)
    _reset_peak(running.process)
    send_each(running.port, [upload] * uploads, connections=1)
    return _peak_of(running.process)


def _reset_peak(process: int) -> None:
    """Reset a process's peak resident memory (proc(5), /proc/PID/clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _peak_of(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
