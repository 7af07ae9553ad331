"""What HTTP tells of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["WorkerState", "WorkerStatus"]


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
        Its slot, from 0; a process that replaces another has the same.
    pid : int or None
        None while there is no process.
    state : WorkerState
    rendered : int
        Requests that its process has finished.
    restarts : int
        How often another process took this slot because the one before crashed, hung or grew too large.
    rss_bytes : int
        Resident memory of its process; 0 = not known.
    """

    number: int
    pid: int | None
    state: WorkerState
    rendered: int
    restarts: int
    rss_bytes: int
