"""Where the time of one request goes."""

from __future__ import annotations

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Splits the time since it was made into named laps.

    Attributes
    ----------
    laps_ms : dict of str to float
        Milliseconds, in order.
    """

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a lap."""
        now_s = time.perf_counter()
        self.laps_ms[name] = self.laps_ms.get(name, 0.0) + (now_s - self._last_s) * 1000
        self._last_s = now_s
