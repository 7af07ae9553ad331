"""Statistics of one request, for the log, the ``Server-Timing`` header and the metrics."""

from __future__ import annotations

import time

from ..stages import Stages

__all__ = ["Account"]

_SEVERAL = "several"
"""The label of a request that asks for several passes."""

_UPLOAD = "upload"
"""The label of a request that uploads a scene."""


class Account(Stages):
    """The statistics of a request. Create it when the request arrives.

    Attributes
    ----------
    passes : str
        The requested passes; ``unread`` until they are known.
    status : int
        The HTTP status of the response; 0 until it is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.passes = "unread"
        self.status = 0
        self._subject = "unread request"
        self._answer = ""

    def describe(self, passes: tuple[str, ...], sizes: list[tuple[int, int]], scene_bytes: int) -> None:
        """Record what is requested once it is known: the passes, the sizes of the views and of the scene."""
        self.passes = passes[0] if len(passes) == 1 else _SEVERAL
        size = " ".join(f"{width}x{height}" for width, height in sizes[:1])
        more = f" and {len(sizes) - 1} more views" if len(sizes) > 1 else ""
        self._subject = f"{'+'.join(passes)} {size}{more} of {scene_bytes} B"

    def describe_upload(self, scene_bytes: int) -> None:
        """Record that the request uploads a scene."""
        self.passes = _UPLOAD
        self._subject = f"upload of {scene_bytes} B"

    def answer(self, status: int, text: str) -> None:
        """Record the response."""
        self.status = status
        self._answer = f"{status:d}, {text}"

    def server_timing(self) -> str:
        """Return the value of a ``Server-Timing`` header."""
        return ", ".join(f"{name};dur={ms:.1f}" for name, ms in self.milliseconds.items())

    def __str__(self) -> str:
        total_ms = (time.perf_counter() - self.started_s) * 1000
        parts = " ".join(f"{name} {ms:.0f}" for name, ms in self.milliseconds.items())
        return f"{self._subject}: {self._answer} in {total_ms:.0f} ms ({parts})"
