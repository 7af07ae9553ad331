"""The slots that render jobs, either with a renderer in this process, or with a worker process."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from ..errors import NoWorkerError, RenderTimeoutError, WorkerLostError
from ..renderer import RenderedFrame, Renderer
from ..settings import ServerSettings
from .affinity import Loaded
from .gpus import gpu_ids, pinned
from .job import Job
from .process import WorkerProcess
from .queue import JobQueue
from .sharing import Share
from .status import WorkerState, WorkerStatus
from .transfer import Packed
from .worker import Handshake

__all__ = ["LocalSlot", "ProcessSlot"]

_logger = logging.getLogger(__name__)

_CLOSE_S = 1.0  # the time for a renderer in this process to close
_MOST_CRASHES = 2
_MOST_KILLS = 30  # kills from outside the server; if the kernel runs out of memory, that counts as a crash
_MOST_FAILED_STARTS = 3  # after so many failed starts, requests do not wait for the next one
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class LocalSlot:
    """A slot with a renderer in this process.

    Only the thread that created the slot calls `run` or `run_next`.

    Parameters
    ----------
    renderer : Renderer
    queue : JobQueue
    """

    cannot_start = False

    def __init__(self, renderer: Renderer, queue: JobQueue) -> None:
        self._renderer = renderer
        self._queue = queue
        self._loaded = Loaded()
        self._job: Job | None = None
        self._rendered = 0
        self._owner = threading.get_ident()
        self._is_closed = threading.Event()

    def run(self) -> None:
        """Render until the queue is closed, then close the renderer."""
        self._owner = threading.get_ident()
        try:
            while self._render_next(lambda: True):
                pass
        finally:
            self._close()

    def run_next(self) -> bool:
        """Render one waiting request, if any, and return whether there was one."""
        return self._render_next(lambda: False)

    def status(self) -> WorkerStatus:
        """Return the state of the slot."""
        state = WorkerState.IDLE if self._job is None else WorkerState.RENDERING
        rss_bytes = psutil.Process().memory_info().rss
        return WorkerStatus(0, os.getpid(), state, self._rendered, 0, rss_bytes)

    def end(self) -> None:
        """Begin to end. For this slot, the owner does so when the queue is closed."""

    def wait(self, timeout_s: float) -> None:
        """Wait until the owner has closed the renderer, unless a long render blocks the owner's thread."""
        if threading.get_ident() == self._owner:
            self._close()
        self._is_closed.wait(min(timeout_s, _CLOSE_S))

    def _render_next(self, stays: Callable[[], bool]) -> bool:
        self._job = job = self._queue.take(self._loaded, stays)
        if job is None:
            return False
        try:
            outcome = self._renderer.render(job.frame)
            self._loaded.note(job.needs)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
            outcome = error
        self._job = None
        self._rendered += 1
        self._queue.finish(job)
        job.settle(outcome)  # last, because the client may ask again at once
        return True

    def _close(self) -> None:
        if not self._is_closed.is_set():
            self._renderer.close()
            self._is_closed.set()


class ProcessSlot:
    """A slot with one worker process at a time. If the process is lost, another one takes its place.

    The slot's thread owns the processes. Only this thread starts, uses and closes them, and no exception ends
    it.

    Parameters
    ----------
    number : int
        The number of the slot, from 0.
    share : Share
        The resources that its processes get.
    settings : ServerSettings
    folder : Path
        The folder in which its processes have their folders.
    queue : JobQueue
    on_start, on_failure : callable
        Called with each process that has started, and with each error of one that failed to start by its own
        fault.
    """

    def __init__(
        self,
        number: int,
        share: Share,
        settings: ServerSettings,
        folder: Path,
        queue: JobQueue,
        on_start: Callable[[Handshake], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._number = number
        self._share = share
        self._settings = settings
        self._folders = (folder / f"worker-{number}-{count}" for count in itertools.count())
        self._queue = queue
        self._on_start = on_start
        self._on_failure = on_failure
        self._process: WorkerProcess | None = None
        self._next: WorkerProcess | None = None  # a process that is starting
        self._loaded = Loaded()
        self._job: Job | None = None
        self._restarts = 0
        self._failed_starts = 0
        self._earliest_start_s = 0.0
        self._ended = threading.Event()
        self._lock = threading.Lock()  # excludes a start after the end
        self._thread = threading.Thread(target=self._run, name=f"worker {number}", daemon=True)

    @property
    def cannot_start(self) -> bool:
        """Whether it has no process, and several starts have failed in a row."""
        return self._process is None and self._failed_starts >= _MOST_FAILED_STARTS

    def start(self) -> None:
        """Start to take jobs from the queue, on a separate thread, until the queue is closed."""
        self._thread.start()

    def status(self) -> WorkerStatus:
        """Return the state of the slot."""
        process = self._process or self._next
        if process is None:
            return WorkerStatus(self._number, None, self._state(), 0, self._restarts, 0)
        return WorkerStatus(
            self._number, process.pid, self._state(), process.rendered, self._restarts, process.rss_bytes
        )

    def end(self) -> None:
        """Start no more processes, and kill those that render or start. This returns at once."""
        with self._lock:
            self._ended.set()
            busy = (self._next, self._process if self._job else None)
        for process in busy:
            if process is not None:
                process.kill()

    def wait(self, timeout_s: float) -> None:
        """Wait after `end` until all processes have ended. At the time limit, kill the rest."""
        self._thread.join(timeout_s)
        for process in (self._process, self._next):
            if process is not None:
                process.kill()

    def _state(self) -> WorkerState:
        process = self._process
        if not self._thread.is_alive():
            return WorkerState.STOPPED
        if process is None or not process.is_alive:
            return WorkerState.STARTING
        return WorkerState.IDLE if self._job is None else WorkerState.RENDERING

    def _run(self) -> None:
        while not (self._queue.is_closed or self._ended.is_set()):
            try:
                if self._has_process():
                    self._render_next()
            except Exception as error:  # noqa: BLE001  whatever it is, the next process may do better
                self._lose(error)
                self._ended.wait(_FIRST_PAUSE_S)
        for process in (self._process, self._next):
            _end(process, WorkerProcess.retire)
        self._process = self._next = None

    def _has_process(self) -> bool:
        """Make sure that a process is running and need not be retired. Return whether there is one at all."""
        process = self._process
        if process is not None and not process.is_alive:
            self._lose("its process exited while it was idle")
        try:
            if self._process is None:
                self._ended.wait(self._earliest_start_s - time.monotonic())
                self._start_next()
            elif self._process.is_to_retire and time.monotonic() >= self._earliest_start_s:
                self._start_next()
            if self._next is not None and (self._process is None or self._next.has_news):
                self._promote(self._next)
        except Exception as error:  # noqa: BLE001  whatever it is, the next process may do better
            self._fail_start(error)
        return self._process is not None

    def _render_next(self) -> None:
        """Render one job, unless there is other work to do before one arrives."""
        self._job = job = self._queue.take(self._loaded, self._stays)
        process = self._process
        if job is None or process is None:
            return
        try:
            outcome = process.render(job.packed or Packed(job.frame))
        except Exception as error:  # noqa: BLE001  whatever it is, the process can be used no more
            self._lose(error)
            self._let_another_try(job, error, has_begun=process.has_begun)
        else:
            if isinstance(outcome, RenderedFrame):
                self._loaded.note(job.needs)
            self._job = None
            self._queue.finish(job)
            job.settle(outcome)  # last, because the client may ask again at once
        finally:
            self._job = None

    def _stays(self) -> bool:
        """Return whether the process is alive, and its successor needs no attention."""
        process, successor = self._process, self._next
        return process is not None and process.is_alive and not (successor and successor.has_news)

    def _let_another_try(self, job: Job, error: Exception, *, has_begun: bool) -> None:
        """Put back a job whose process was lost, unless that has happened too often."""
        if has_begun:
            is_own = isinstance(error, RenderTimeoutError | WorkerLostError) and not _is_foreign(error)
            job.crashes += is_own
            job.kills += not is_own
        if job.crashes < _MOST_CRASHES and job.kills < _MOST_KILLS:
            self._queue.put_back(job)
            return
        self._queue.finish(job)
        if job.crashes >= _MOST_CRASHES:
            job.settle(
                type(error)(f"{error}; the request failed on {job.crashes} workers and will not be retried")
            )
        else:
            job.settle(
                NoWorkerError(
                    f"{job.kills} render workers were killed by another program while they rendered "
                    "this request; try again later"
                )
            )

    def _start_next(self) -> None:
        with self._lock:
            if self._next is None and not self._ended.is_set():
                environment = pinned(gpu_ids(self._settings.gpus), self._number)
                self._next = WorkerProcess(self._settings, self._share, environment, next(self._folders))

    def _promote(self, started: WorkerProcess) -> None:
        """Wait until a new process has started, and use it from now on."""
        handshake = started.handshake()
        retired, self._process, self._next = self._process, started, None
        self._loaded = Loaded()
        self._failed_starts = 0
        self._on_start(handshake)
        if retired is not None:
            _logger.info("worker %d: replaced its process after %d requests", self._number, retired.rendered)
            _end(retired, WorkerProcess.retire)

    def _lose(self, cause: object) -> None:
        """Close the process after a failure."""
        if self._ended.is_set():
            return
        lost, self._process = self._process, None
        self._restarts += 1
        _logger.error("worker %d failed and will be replaced: %s", self._number, cause)
        _end(lost, WorkerProcess.close)

    def _fail_start(self, error: Exception) -> None:
        """Close a process that failed to start, and pause if another attempt would probably fail, too."""
        if self._ended.is_set():
            return
        failed, self._next = self._next, None
        _logger.error("worker %d failed to start: %s", self._number, error)
        _end(failed, WorkerProcess.close)
        if _is_foreign(error):
            return
        self._failed_starts += 1
        pause_s = min(_FIRST_PAUSE_S * 2 ** (self._failed_starts - 1), _LONGEST_PAUSE_S)
        self._earliest_start_s = time.monotonic() + pause_s
        self._on_failure(error)


def _is_foreign(error: Exception) -> bool:
    """Return whether something outside the server killed the process."""
    return isinstance(error, WorkerLostError) and error.is_foreign


def _end(process: WorkerProcess | None, how: Callable[[WorkerProcess], None]) -> None:
    try:
        if process is not None:
            how(process)
    except Exception as error:  # noqa: BLE001  the slot goes on without it
        _logger.error("a worker process could not be stopped: %s", error)
