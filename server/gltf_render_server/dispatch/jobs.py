"""The queue between the many threads that speak HTTP and the one thread that owns the back end.

Any thread submits and waits; one thread runs. Knows requests and renderers, nothing of HTTP or Blender.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, field, replace

import psutil

from ..errors import QueueFullError, RequestError, ShuttingDownError
from ..frame import Frame
from ..renderer import RenderedFrame, Renderer, RendererInfo
from .service import WorkerState, WorkerStatus

__all__ = ["Admission", "Job", "RenderQueue"]

_CLOSE_S = 1.0  # for a renderer to be closed
_LOOK_S = 0.5  # between two looks at whether the client still waits


@dataclass(eq=False)
class Job:
    """An answer that somebody waits for."""

    is_abandoned: Callable[[], bool]
    submitted_s: float = field(default_factory=time.perf_counter)
    future: Future[RenderedFrame] = field(default_factory=Future)

    @property
    def waited_ms(self) -> float:
        """How long ago it was submitted."""
        return (time.perf_counter() - self.submitted_s) * 1000

    def settle(self, outcome: RenderedFrame | BaseException) -> None:
        """Answer. A render that ends while it is being given up keeps its first answer."""
        with suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)

    def give_up_if_abandoned(self) -> bool:
        """Answer, and tell, if nobody waits for the answer."""
        if not self.is_abandoned():
            return False
        self.settle(RequestError("the client went away before its turn came"))
        return True

    def refuse(self) -> None:
        """Answer that the server ends."""
        self.settle(ShuttingDownError("the server is shutting down; the render was given up"))

    def result(self, withdraw: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the answer; see `RenderService.submit`.

        Parameters
        ----------
        withdraw : callable, optional
            Called when nobody waits for the answer any more: frees the job's place among those that wait,
            and tells whether it still was there.
        """
        while not wait_for([self.future], _LOOK_S).done:
            if self.is_abandoned() and withdraw():
                self.give_up_if_abandoned()
        return self.future.result()


@dataclass(eq=False)
class _QueuedJob(Job):
    frame: Frame = field(kw_only=True)


class Admission:
    """How many requests may wait, and whether any is taken at all.

    Parameters
    ----------
    max_waiting : int
        While all workers render.
    workers : int
    """

    def __init__(self, max_waiting: int, workers: int = 1) -> None:
        self._most_unfinished = max_waiting + workers
        self.is_closed = False

    def check(self, waiting: int, running: int) -> None:
        """Refuse one more request.

        Raises
        ------
        QueueFullError, ShuttingDownError
        """
        if self.is_closed:
            raise ShuttingDownError("the server is shutting down")
        if waiting + running >= self._most_unfinished:
            raise QueueFullError(f"{waiting} requests wait already (option --max-queue); try again later")


class RenderQueue:
    """A `RenderService` of one renderer; bounded, first come, first served.

    Parameters
    ----------
    renderer : Renderer
        Called only from the thread that calls `run`.
    max_waiting : int
        How many requests may wait while one is rendered.
    """

    def __init__(self, renderer: Renderer, max_waiting: int) -> None:
        self._renderer = renderer
        self._admission = Admission(max_waiting)
        self._waiting: deque[_QueuedJob] = deque()
        self._running: _QueuedJob | None = None
        self._rendered = 0
        self._is_over = threading.Event()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many requests wait; the one that is being rendered does not count."""
        return len(self._waiting)

    @property
    def is_rendering(self) -> bool:
        """Whether a request is being rendered."""
        return self._running is not None

    @property
    def info(self) -> RendererInfo:
        """Name, version and device of the back end."""
        return self._renderer.info

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require."""
        return self._renderer.extensions

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing more is taken."""
        return self._admission.is_closed

    def workers(self) -> Sequence[WorkerStatus]:
        """Tell how this process is, the only worker."""
        state = WorkerState.IDLE if self._running is None else WorkerState.RENDERING
        rss_bytes = psutil.Process().memory_info().rss
        return [WorkerStatus(0, os.getpid(), state, self._rendered, 0, rss_bytes)]

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the arrays of `frame`; see `RenderService.submit`."""
        job = _QueuedJob(is_abandoned, frame=frame)
        with self._changed:
            self._admission.check(len(self._waiting), int(self.is_rendering))
            self._waiting.append(job)
            self._changed.notify_all()
        return job.result(lambda: self._withdraw(job))

    def run(self) -> None:
        """Render what is submitted until `close`, on the thread that owns the renderer; then close that."""
        try:
            while (job := self._next()) is not None:
                self._finish(job)
        finally:
            self._renderer.close()
            self._is_over.set()

    def run_next(self) -> bool:
        """Render one request if any waits, on the thread that owns the renderer; tell whether one did.

        For a thread that has something else to do as well: the main thread of Blender with its window.
        """
        with self._changed:
            self._running = job = self._waiting.popleft() if self._waiting else None
        if job is not None:
            self._finish(job)
        return job is not None

    def close(self) -> None:
        """Take nothing more and give up what waits. The render in progress goes on; `run` ends after it."""
        with self._changed:
            self._admission.is_closed = True
            given_up = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for job in given_up:
            job.refuse()

    def give_up_running(self) -> None:
        """Answer the client of the render in progress with an error; its picture will be thrown away."""
        with self._changed:
            job = self._running
        if job is not None:
            job.refuse()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no render is in progress; false if that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running is None, timeout_s)

    def shut_down(self) -> None:
        """Let the thread in `run` close the renderer; where a render holds it, that is left undone."""
        self.close()
        self._is_over.wait(_CLOSE_S)

    def _withdraw(self, job: _QueuedJob) -> bool:
        with self._changed:
            is_waiting = job in self._waiting
            if is_waiting:
                self._waiting.remove(job)
            return is_waiting

    def _next(self) -> _QueuedJob | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed)
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def _finish(self, job: _QueuedJob) -> None:
        self._render(job)
        with self._changed:
            self._running = None
            self._rendered += 1
            self._changed.notify_all()

    def _render(self, job: _QueuedJob) -> None:
        queue_ms = job.waited_ms
        if job.give_up_if_abandoned():
            return
        try:
            rendered = self._renderer.render(job.frame)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
            job.settle(error)
        else:
            job.settle(replace(rendered, stages_ms={"queue": queue_ms, **rendered.stages_ms}))
