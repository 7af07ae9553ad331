"""The one queue: requests wait in it for a worker, and workers for a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import QueueFullError, ShuttingDownError
from .affinity import Loaded, choose
from .job import Job

__all__ = ["JobQueue"]

_LOOK_S = 0.5  # between two looks at whether an idle worker stays


@dataclass(eq=False)
class _Idle:
    """A worker that waits, until it is given a job."""

    loaded: Loaded
    job: Job | None = None


class JobQueue:
    """Gives every job to an idle worker; any thread may call it.

    Parameters
    ----------
    max_waiting : int
        How many jobs may wait while all workers render.
    workers : int
    """

    def __init__(self, max_waiting: int, workers: int) -> None:
        self._most_unfinished = max_waiting + workers
        self._waiting: list[Job] = []
        self._idle: list[_Idle] = []
        self._running: dict[Job, Loaded] = {}
        self._changed = threading.Condition()
        self.is_closed = False

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def put(self, job: Job) -> None:
        """Let a new job wait.

        Raises
        ------
        QueueFullError, ShuttingDownError
        """
        with self._changed:
            if self.is_closed:
                raise ShuttingDownError("the server is shutting down")
            if len(self._waiting) + len(self._running) >= self._most_unfinished:
                raise QueueFullError(
                    f"the queue is full, as {len(self)} requests are waiting (option --max-queue); try "
                    "again later"
                )
            self._waiting.append(job)
            self._assign()

    def withdraw(self, job: Job) -> bool:
        """Take a job back that nobody waits for; false if it is not among those that wait."""
        with self._changed:
            is_waiting = job in self._waiting
            if is_waiting:
                self._waiting.remove(job)
            return is_waiting

    def put_back(self, job: Job) -> None:
        """Let a job whose worker was lost be the next."""
        with self._changed:
            self._running.pop(job, None)
            if self.is_closed:
                job.refuse()
            else:
                self._waiting.insert(0, job)
                self._assign()

    def take(self, loaded: Loaded, stays: Callable[[], bool]) -> Job | None:
        """Wait for a job that somebody waits for; the caller calls `finish` or `put_back` with it.

        Parameters
        ----------
        loaded : Loaded
            What the worker that asks has.
        stays : callable
            Asked now and then; false if the worker is not to wait any longer.

        Returns
        -------
        Job or None
            None when there will be no more, or the worker does not stay.
        """
        while (job := self._take(loaded, stays)) is not None and not job.begin():
            self.finish(job)
        return job

    def finish(self, job: Job) -> None:
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
            self.is_closed = True
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

    def _take(self, loaded: Loaded, stays: Callable[[], bool]) -> Job | None:
        worker = _Idle(loaded)
        with self._changed:
            try:
                self._idle.append(worker)
                self._assign()
                while worker.job is None and not self.is_closed and stays():
                    self._changed.wait(_LOOK_S)
            finally:
                if worker in self._idle:  # or it would be given a job that it never takes
                    self._idle.remove(worker)
            return worker.job

    def _assign(self) -> None:
        while self._waiting and self._idle and not self.is_closed:
            job, number = choose(
                self._waiting, [idle.loaded for idle in self._idle], list(self._running.values())
            )
            worker = self._idle.pop(number)
            worker.job = self._waiting.pop(job)
            self._running[worker.job] = worker.loaded
        self._changed.notify_all()
