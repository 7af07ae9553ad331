"""Where the time of one request went: for the log, the ``Server-Timing`` header and the metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .form import RenderFields

__all__ = ["Stages"]


class Stages:
    """The account of one request, begun when it comes in.

    Attributes
    ----------
    milliseconds : dict of str to float
        By stage, in order.
    image_type : str
        What was asked for; ``unread`` until that is known.
    status : int
        What was answered; 0 until then.
    """

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self.image_type = "unread"
        self.status = 0
        self._subject = "unread request"
        self._answer = ""
        self._started_s = time.perf_counter()

    def describe(self, fields: RenderFields, scene_bytes: int) -> None:
        """Note what is asked for, as soon as that is known."""
        size = f"{fields.camera.width}x{fields.camera.height}"
        self.image_type = str(fields.image_type)
        self._subject = f"{self.image_type} {size} of {scene_bytes} B"

    def answer(self, status: int, text: str) -> None:
        """Note what is answered."""
        self.status = status
        self._answer = f"{status:d}, {text}"

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the block as `stage`."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[stage] = (time.perf_counter() - started_s) * 1000

    def server_timing(self) -> str:
        """Return the value of a ``Server-Timing`` header."""
        return ", ".join(f"{name};dur={ms:.1f}" for name, ms in self.milliseconds.items())

    def __str__(self) -> str:
        total_ms = (time.perf_counter() - self._started_s) * 1000
        parts = " ".join(f"{name} {ms:.0f}" for name, ms in self.milliseconds.items())
        return f"{self._subject}: {self._answer} in {total_ms:.0f} ms ({parts})"
