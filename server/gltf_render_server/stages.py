"""Measures how long each stage of a request takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stages"]


class Stages:
    """A stopwatch with a time for each stage. It starts when it is created.

    Attributes
    ----------
    milliseconds : dict of str to float
        The time of each stage, in the order in which the stages first occurred.
    """

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self.started_s = self._last_s = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the previous lap to a stage."""
        now_s = time.perf_counter()
        self._add(stage, now_s - self._last_s)
        self._last_s = now_s

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the duration of the ``with`` block to a stage."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self._add(stage, time.perf_counter() - started_s)

    def _add(self, stage: str, seconds: float) -> None:
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + seconds * 1000
