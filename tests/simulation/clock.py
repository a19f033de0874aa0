"""The clocks of isolates and objects, which are wrong and may drift."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.simulation.loop import VirtualLoop


@dataclass(slots=True)
class IsolateClock:
    """A monotonic clock whose error changes over time, up to `off_ms`.

    Starting at the error `offset_ms`, it is fast by the share `drift` until the error is
    `off_ms`, then slow until it is the opposite, and so on. It also leaps ahead once.
    """

    loop: VirtualLoop
    off_ms: float = 0.0
    offset_ms: float = 0.0
    drift: float = 0.0
    leap_at_ms: float = float("inf")
    leap_ms: float = 0.0
    late_ms: float = 0.0

    def now_ms(self) -> int:
        return int(self.loop.now_ms + self._offset_ms())

    def be_true(self) -> None:
        """From now on, return the true time, and sleep exactly."""
        self.off_ms = self.offset_ms = self.drift = self.late_ms = 0.0
        self.leap_at_ms = float("inf")

    def _offset_ms(self) -> float:
        true_ms = self.loop.now_ms
        offset_ms = self.offset_ms
        if self.drift:
            # A triangle wave from -off to off.
            swing_ms = 4 * self.off_ms
            gained_ms = (true_ms * self.drift + offset_ms) % swing_ms
            offset_ms = abs(gained_ms - swing_ms / 2) - self.off_ms
        if true_ms >= self.leap_at_ms:
            offset_ms = min(self.off_ms, offset_ms + self.leap_ms)
        return offset_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep((duration_ms + self.late_ms) / 1000)
