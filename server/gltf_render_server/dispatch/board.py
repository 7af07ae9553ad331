"""Where requests wait for a worker, and workers for a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .affinity import Memory, PoolJob, choose
from .jobs import Admission

__all__ = ["Board"]

_LOOK_S = 0.5  # between two looks at whether an idle worker stays


@dataclass(eq=False)
class _Seat:
    """An idle worker's, until it is given a job."""

    memory: Memory
    job: PoolJob | None = None


class Board:
    """Gives every job to an idle worker; any thread may call it.

    Parameters
    ----------
    max_waiting, workers : int
        See `Admission`.
    """

    def __init__(self, max_waiting: int, workers: int) -> None:
        self._admission = Admission(max_waiting, workers)
        self._waiting: list[PoolJob] = []
        self._idle: list[_Seat] = []
        self._running: dict[PoolJob, Memory] = {}
        self._changed = threading.Condition()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._admission.is_closed

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def put(self, job: PoolJob) -> None:
        """Let a new job wait.

        Raises
        ------
        QueueFullError, ShuttingDownError
        """
        with self._changed:
            self._admission.check(len(self._waiting), len(self._running))
            self._waiting.append(job)
            self._assign()

    def withdraw(self, job: PoolJob) -> bool:
        """Take a job back that nobody waits for; false if it is not among those that wait."""
        with self._changed:
            is_waiting = job in self._waiting
            if is_waiting:
                self._waiting.remove(job)
            return is_waiting

    def put_back(self, job: PoolJob) -> None:
        """Let a job whose worker was lost be the next."""
        with self._changed:
            self._running.pop(job, None)
            if self.is_closed:
                job.refuse()
            else:
                self._waiting.insert(0, job)
                self._assign()

    def take(self, memory: Memory, stays: Callable[[], bool]) -> PoolJob | None:
        """Wait for a job for the worker that has `memory`; the caller calls `finish` or `put_back` with it.

        Returns
        -------
        PoolJob or None
            None when there will be no more, or the worker does not stay.
        """
        seat = _Seat(memory)
        with self._changed:
            try:
                self._idle.append(seat)
                self._assign()
                while seat.job is None and not self.is_closed and stays():
                    self._changed.wait(_LOOK_S)
            finally:
                if seat in self._idle:  # or it would be given a job for nobody
                    self._idle.remove(seat)
            return seat.job

    def finish(self, job: PoolJob) -> None:
        """Note that a job has been answered."""
        with self._changed:
            self._running.pop(job, None)
            self._changed.notify_all()

    def fail_waiting(self, error: Exception) -> None:
        """Answer all that wait with an error."""
        with self._changed:
            failed, self._waiting = self._waiting, []
        for job in failed:
            job.settle(error)

    def close(self) -> None:
        """Take nothing more, and refuse what waits."""
        with self._changed:
            self._admission.is_closed = True
            refused, self._waiting = self._waiting, []
            self._changed.notify_all()
        for job in refused:
            job.refuse()

    def refuse_running(self) -> None:
        """Answer those who wait for a render in progress that the server ends."""
        with self._changed:
            running = list(self._running)
        for job in running:
            job.refuse()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no job is with a worker; false if that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout_s)

    def _assign(self) -> None:
        while self._waiting and self._idle and not self.is_closed:
            job, worker = choose(
                self._waiting, [seat.memory for seat in self._idle], list(self._running.values())
            )
            seat = self._idle.pop(worker)
            seat.job = self._waiting.pop(job)
            self._running[seat.job] = seat.memory
        self._changed.notify_all()
