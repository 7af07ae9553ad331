"""The state of a worker, as HTTP clients see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["WorkerState", "WorkerStatus"]


class WorkerState(StrEnum):
    """The activity of a worker."""

    STARTING = "starting"
    IDLE = "idle"
    RENDERING = "rendering"
    STOPPED = "stopped"


@dataclass(frozen=True)
class WorkerStatus:
    """The state of one worker, as reported by ``/healthz`` and ``/metrics``.

    Attributes
    ----------
    number : int
        The number of its slot, from 0. A process that replaces another has the same number.
    pid : int or None
        The process id; None if there is no process.
    state : WorkerState
    rendered : int
        The number of requests that the current process has finished.
    restarts : int
        How many times the process in this slot was replaced because it crashed, hung or grew too large.
    rss_bytes : int
        The resident memory of the process; 0 = unknown.
    """

    number: int
    pid: int | None
    state: WorkerState
    rendered: int
    restarts: int
    rss_bytes: int
