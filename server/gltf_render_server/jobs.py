"""The queue between the many threads that speak HTTP and the one thread that owns Blender.

Any thread submits and waits; one thread runs. Knows requests and renderers, nothing of HTTP or Blender.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace

from .errors import QueueFullError, RequestError, ShuttingDownError
from .protocol import RenderRequest
from .renderer import RenderedImage, Renderer

__all__ = ["RenderQueue"]


@dataclass(eq=False)
class _Job:
    request: RenderRequest
    is_abandoned: Callable[[], bool]
    submitted_s: float = field(default_factory=time.perf_counter)
    future: Future[RenderedImage] = field(default_factory=Future)

    def settle(self, outcome: RenderedImage | BaseException) -> None:
        """Answer. A render that ends while it is being given up keeps its first answer."""
        with suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)


class RenderQueue:
    """Bounded, first come, first served.

    Parameters
    ----------
    renderer : Renderer
        Called only from the thread that calls `run`.
    max_waiting : int
        How many requests may wait while one is rendered.
    """

    def __init__(self, renderer: Renderer, max_waiting: int) -> None:
        self._renderer = renderer
        self._max_waiting = max_waiting
        self._waiting: deque[_Job] = deque()
        self._running: _Job | None = None
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many requests wait; the one that is being rendered does not count."""
        return len(self._waiting)

    @property
    def is_rendering(self) -> bool:
        """Whether a request is being rendered."""
        return self._running is not None

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing more is taken."""
        return self._closed

    def submit(
        self, request: RenderRequest, *, is_abandoned: Callable[[], bool] = lambda: False
    ) -> RenderedImage:
        """Wait for the picture of `request`.

        Parameters
        ----------
        request : RenderRequest
        is_abandoned : callable
            Asked when the request's turn comes; true if nobody waits for the answer any more.

        Returns
        -------
        RenderedImage
            Its stages begin with ``queue``.

        Raises
        ------
        QueueFullError, ShuttingDownError
            The request was not taken, or given up because the server ends.
        RequestError
            It was abandoned.
        RenderServerError
            Whatever the renderer raised.
        """
        job = _Job(request, is_abandoned)
        self._enqueue(job)
        try:
            return job.future.result()
        except CancelledError:
            raise RequestError("the client went away before its turn came") from None

    def run(self) -> None:
        """Render what is submitted until `close`, on the thread that owns the renderer."""
        while (job := self._next()) is not None:
            self._render(job)
            with self._changed:
                self._running = None
                self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more and give up what waits. The render in progress goes on; `run` ends after it."""
        with self._changed:
            self._closed = True
            given_up = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for job in given_up:
            _refuse(job)

    def give_up_running(self) -> None:
        """Answer the client of the render in progress with an error; its picture will be thrown away."""
        with self._changed:
            job = self._running
        if job is not None:
            _refuse(job)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no render is in progress; false if that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running is None, timeout_s)

    def _enqueue(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise ShuttingDownError("the server is shutting down")
            unfinished = len(self._waiting) + (self._running is not None)
            if unfinished > self._max_waiting:
                raise QueueFullError(
                    f"{len(self._waiting)} requests wait already (option --max-queue); try again later"
                )
            self._waiting.append(job)
            self._changed.notify_all()

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def _render(self, job: _Job) -> None:
        queue_ms = (time.perf_counter() - job.submitted_s) * 1000
        if job.is_abandoned():
            job.future.cancel()
            return
        try:
            image = self._renderer.render(job.request)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
            job.settle(error)
        else:
            job.settle(replace(image, stages_ms={"queue": queue_ms, **image.stages_ms}))


def _refuse(job: _Job) -> None:
    job.settle(ShuttingDownError("the server is shutting down; the render was given up"))
