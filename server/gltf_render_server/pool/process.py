"""One worker's process, for the length of its life."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import psutil
from pebble import ProcessExpired, ProcessPool

from ..errors import RenderTimeoutError, WorkerLostError
from ..renderer import RenderedImage
from ..settings import ServerSettings
from . import worker
from .worker import Greeting

__all__ = ["WorkerProcess"]

_EXIT_STATUS_OF_KILLED = (-9, -15)  # SIGKILL, SIGTERM; Windows does not know the first
_LOOK_S = 0.25  # between two looks at the memory of a worker that renders


class WorkerProcess:
    """A process of its own with a renderer; it does not outlive a crash.

    A pool of one, so that a request can be given to the process that has its scene, and so that a process
    that is killed while it holds the pool's locks takes nothing but this pool with it.

    Parameters
    ----------
    settings : ServerSettings
    environment : mapping of str to str
        What is different in the worker's environment.
    """

    def __init__(self, settings: ServerSettings, environment: Mapping[str, str]) -> None:
        self._timeout_s = settings.render_timeout
        self._max_rss_bytes = None if settings.worker_max_rss is None else settings.worker_max_rss * 1e6
        self._max_requests = settings.worker_max_requests
        self._pool = ProcessPool(max_workers=1, context=multiprocessing.get_context("spawn"))
        self._starting: Future[Greeting] = self._pool.schedule(worker.start, (settings, dict(environment)))
        self._process: psutil.Process | None = None
        self.rendered = 0

    @property
    def is_started(self) -> bool:
        """Whether `greeting` answers at once."""
        return self._starting.done()

    @property
    def is_alive(self) -> bool:
        """Whether the process that was started is still there."""
        with suppress(psutil.NoSuchProcess):
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        return False

    @property
    def pid(self) -> int | None:
        """The process's id, once it is started."""
        return None if self._process is None else self._process.pid

    @property
    def rss_bytes(self) -> int:
        """Its resident memory; 0 = not known."""
        with suppress(psutil.Error):
            if self._process is not None:
                return self._process.memory_info().rss
        return 0

    @property
    def is_worn(self) -> bool:
        """Whether another process should take its place at the next opportunity."""
        has_done_its_share = self._max_requests is not None and self.rendered >= self._max_requests
        return has_done_its_share or self._is_too_large()

    def greeting(self) -> Greeting:
        """Wait until the renderer is there.

        Raises
        ------
        SettingsError
            It cannot start like that.
        WorkerLostError
            The process ended before.
        """
        try:
            greeting = self._starting.result()
        except (ProcessExpired, BrokenProcessPool) as error:
            raise WorkerLostError(f"a worker ended while it started{_cause(error)}") from error
        with suppress(psutil.NoSuchProcess):  # the next request tells
            self._process = psutil.Process(greeting.pid)
        return greeting

    def render(self, packed: bytes) -> RenderedImage:
        """Render a pickled request in the process.

        Returns
        -------
        RenderedImage
            With the stage ``transfer``, what it took to send and to receive.

        Raises
        ------
        WorkerLostError, RenderTimeoutError
            The process is gone.
        RenderServerError
            Whatever the renderer raised.
        """
        started_s = time.monotonic()
        try:
            future = self._pool.schedule(worker.render, (packed,))
        except RuntimeError as error:  # it died since the last request
            raise WorkerLostError("the worker ended before it could render", is_foreign=True) from error
        self._watch(future, started_s)
        try:
            image = future.result()
        except (ProcessExpired, BrokenProcessPool) as error:
            raise WorkerLostError(
                f"the worker that rendered it ended{_cause(error)}", is_foreign=_was_killed(error)
            ) from error
        self.rendered += 1
        elapsed_ms = (time.monotonic() - started_s) * 1000
        image.stages_ms["transfer"] = max(0.0, elapsed_ms - sum(image.stages_ms.values()))
        return image

    def close(self) -> None:
        """End the process now, whatever it does."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                self._process.kill()
        self._pool.stop()
        # in its own time: the pool's threads take a moment, and a process that still starts gets a moment
        threading.Thread(target=self._pool.join, name="worker-end").start()

    def _watch(self, future: Future[RenderedImage], started_s: float) -> None:
        """Wait for the picture, and end the process when it takes too much of anything."""
        deadline_s = float("inf") if self._timeout_s is None else started_s + self._timeout_s
        while not future.done():
            wait([future], min(_LOOK_S, max(0.0, deadline_s - time.monotonic())))
            if future.done():
                return
            if time.monotonic() >= deadline_s:
                self.close()
                raise RenderTimeoutError(
                    f"the render took longer than {self._timeout_s:g} s (option --render-timeout)"
                )
            if self._is_too_large():
                rss_mb = self.rss_bytes / 1e6
                self.close()
                raise WorkerLostError(f"the render took {rss_mb:.0f} MB of memory (option --worker-max-rss)")

    def _is_too_large(self) -> bool:
        return self._max_rss_bytes is not None and self.rss_bytes > self._max_rss_bytes


def _cause(error: Exception) -> str:
    code = getattr(error, "exitcode", None)
    if not isinstance(code, int):
        return ""
    with suppress(ValueError):
        return f": killed by {signal.Signals(-code).name}"
    return f" with the exit status {code}"


def _was_killed(error: Exception) -> bool:
    """Tell whether it was an operator's or the system's doing: no crash ends a process by these."""
    if isinstance(error, BrokenProcessPool):
        return True  # before it had begun with the request
    return getattr(error, "exitcode", None) in _EXIT_STATUS_OF_KILLED
