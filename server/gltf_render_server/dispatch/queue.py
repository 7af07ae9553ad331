"""The queue, where requests wait for a worker, and workers for a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import QueueFullError, ShuttingDownError
from .affinity import Loaded, choose
from .job import Job

__all__ = ["JobQueue"]

_LOOK_S = 0.5  # the interval between two checks whether an idle worker should stay


@dataclass(eq=False)
class _Idle:
    """A worker that waits until it gets a job."""

    loaded: Loaded
    job: Job | None = None


class JobQueue:
    """A queue that assigns each job to an idle worker. It is thread-safe.

    Parameters
    ----------
    max_waiting : int
        How many jobs may wait while all workers are busy.
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
        """Return the number of waiting jobs."""
        return len(self._waiting)

    def put(self, job: Job) -> None:
        """Add a new job.

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
        """Remove a job whose client has gone. Return false if the job is not waiting any more."""
        with self._changed:
            is_waiting = job in self._waiting
            if is_waiting:
                self._waiting.remove(job)
            return is_waiting

    def put_back(self, job: Job) -> None:
        """Put a job back whose worker was lost. It is the next to be taken."""
        with self._changed:
            self._running.pop(job, None)
            if self.is_closed:
                job.refuse()
            else:
                self._waiting.insert(0, job)
                self._assign()

    def take(self, loaded: Loaded, stays: Callable[[], bool]) -> Job | None:
        """Wait for a job whose client is still there. The caller ends it with `finish` or `put_back`.

        Parameters
        ----------
        loaded : Loaded
            What the calling worker has loaded.
        stays : callable
            Called repeatedly. It returns false if the worker should not wait any longer.

        Returns
        -------
        Job or None
            None if the queue is closed, or if the worker does not stay.
        """
        while (job := self._take(loaded, stays)) is not None and not job.begin():
            self.finish(job)
        return job

    def finish(self, job: Job) -> None:
        """Note that a job is finished."""
        with self._changed:
            self._running.pop(job, None)
            self._changed.notify_all()

    def fail_waiting(self, error: Exception) -> None:
        """Fail all waiting jobs with an error."""
        with self._changed:
            failed, self._waiting = self._waiting, []
        for job in failed:
            job.settle(error)

    def close(self) -> None:
        """Accept no more jobs, and fail those that wait."""
        with self._changed:
            self.is_closed = True
            refused, self._waiting = self._waiting, []
            self._changed.notify_all()
        for job in refused:
            job.refuse()

    def refuse_running(self) -> None:
        """Fail the jobs that are being rendered, because the server shuts down."""
        with self._changed:
            running = list(self._running)
        for job in running:
            job.refuse()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no worker has a job. Return false if that takes longer than `timeout_s`."""
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
                if worker in self._idle:  # otherwise it could be given a job that it never takes
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
