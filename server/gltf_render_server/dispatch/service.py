"""What answers render requests, as HTTP sees it: a queue before one back end, or a pool of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..frame import Frame
from ..renderer import RenderedFrame, RendererInfo

__all__ = ["RenderService", "WorkerState", "WorkerStatus"]


class WorkerState(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    IDLE = "idle"
    RENDERING = "rendering"
    STOPPED = "stopped"


@dataclass(frozen=True)
class WorkerStatus:
    """One worker, as ``/healthz`` and ``/metrics`` show it.

    Attributes
    ----------
    number : int
        Its place, from 0; a process that takes another's place has the same.
    pid : int or None
        None while there is no process.
    state : WorkerState
    rendered : int
        Requests that its process has finished.
    restarts : int
        How often another process took this place because the one before crashed, hung or grew too large.
    rss_bytes : int
        Resident memory of its process; 0 = not known.
    """

    number: int
    pid: int | None
    state: WorkerState
    rendered: int
    restarts: int
    rss_bytes: int


class RenderService(Protocol):
    """Renders from any thread."""

    @property
    def info(self) -> RendererInfo:
        """Name, version and device of the back end."""
        ...

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing more is taken."""
        ...

    def __len__(self) -> int:
        """How many requests wait; those that are being rendered do not count."""
        ...

    def workers(self) -> Sequence[WorkerStatus]:
        """Tell how each worker is."""
        ...

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the arrays of `frame`.

        Parameters
        ----------
        frame : Frame
        is_abandoned : callable
            Asked now and then while the request waits, and when its turn comes; true if nobody waits for the
            answer any more.

        Returns
        -------
        RenderedFrame
            Its stages begin with ``queue``.

        Raises
        ------
        QueueFullError, ShuttingDownError
            The request was not taken, or given up because the server ends.
        RequestError
            It was abandoned.
        RenderServerError
            Whatever the back end raised.
        """
        ...

    def close(self) -> None:
        """Take nothing more and give up what waits. What is being rendered goes on."""
        ...

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being rendered; false if that took longer than `timeout_s`."""
        ...

    def give_up_running(self) -> None:
        """Answer the clients of what is being rendered with an error; those pictures will be thrown away."""
        ...
