"""A worker's place in the pool: the thread that keeps a process in it, whatever becomes of the last one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace

from ..errors import RenderServerError, RenderTimeoutError, WorkerLostError
from ..service import WorkerState, WorkerStatus
from ..settings import ServerSettings
from .assignment import Memory, PoolJob
from .board import Board
from .process import WorkerProcess
from .worker import Greeting

__all__ = ["Place"]

_logger = logging.getLogger(__name__)

_MOST_ATTEMPTS = 2
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class Place:
    """Renders the board's jobs with one process after another.

    Parameters
    ----------
    number : int
        From 0.
    settings : ServerSettings
    environment : mapping of str to str
        For its processes; see `WorkerProcess`.
    board : Board
    """

    def __init__(
        self, number: int, settings: ServerSettings, environment: Mapping[str, str], board: Board
    ) -> None:
        self._number = number
        self._settings = settings
        self._environment = environment
        self._board = board
        self._process = self._new_process()
        self._successor: WorkerProcess | None = None
        self._memory = Memory()
        self._state = WorkerState.STARTING
        self._restarts = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker {number}", daemon=True)

    def greeting(self) -> Greeting:
        """Wait until the first process is ready; see `WorkerProcess.greeting`."""
        return self._process.greeting()

    def start(self) -> None:
        """Take jobs from the board, on a thread of its own, until the board is closed."""
        self._thread.start()

    def status(self) -> WorkerStatus:
        """Tell how it is."""
        process = self._process
        return WorkerStatus(
            self._number, process.pid, self._state, process.rendered, self._restarts, process.rss_bytes
        )

    def end(self) -> None:
        """End its processes now, whatever they do."""
        self._ended.set()
        self._state = WorkerState.STOPPED
        for process in (self._process, self._successor):
            if process is not None:
                process.close()

    def _run(self) -> None:
        self._wait_for_process()
        while (job := self._board.take(self._memory)) is not None:
            self._state = WorkerState.RENDERING
            self._render(job)
            self._renew()
            self._state = WorkerState.IDLE

    def _render(self, job: PoolJob) -> None:
        queue_ms = job.waited_ms
        if job.give_up_if_abandoned():
            self._board.finish(job)
            return
        try:
            image = self._process.render(job.request)
        except (WorkerLostError, RenderTimeoutError) as error:
            self._lose(job, error)
            return
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
            job.settle(error)
        else:
            self._memory.learn(job)
            job.settle(replace(image, stages_ms={"queue": queue_ms, **image.stages_ms}))
        self._board.finish(job)

    def _lose(self, job: PoolJob, error: RenderServerError) -> None:
        """Let another worker try, once, and put another process in this place."""
        if self._ended.is_set():
            job.refuse()
            return
        _logger.error("worker %d: %s; another takes its place", self._number, error)
        job.attempts += 1
        if job.attempts < _MOST_ATTEMPTS:
            self._board.put_back(job)
        else:
            job.settle(type(error)(f"{error}; it was the second worker that this request cost"))
            self._board.finish(job)
        self._restarts += 1
        self._replace()

    def _replace(self) -> None:
        self._state = WorkerState.STARTING
        self._process.close()
        self._process, self._successor = self._successor or self._new_process(), None
        self._wait_for_process()

    def _wait_for_process(self) -> None:
        """Wait until there is a process that can render; until then its place is nobody's."""
        self._memory = Memory()
        pause_s = _FIRST_PAUSE_S
        while not self._ended.is_set():
            try:
                self._process.greeting()
            except Exception as error:  # noqa: BLE001  whatever it is, the clients learn it
                _logger.error("worker %d cannot start: %s", self._number, error)
                self._board.fail_if_deserted(error)
            else:
                self._state = WorkerState.IDLE
                return
            self._process.close()
            self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._process = self._new_process()

    def _renew(self) -> None:
        """Let a successor start while a worn process goes on, and take its place when it is ready."""
        if self._successor is None and self._process.is_worn:
            self._successor = self._new_process()
        elif self._successor is not None and self._successor.is_started:
            _logger.info("worker %d is replaced after %d requests", self._number, self._process.rendered)
            self._replace()

    def _new_process(self) -> WorkerProcess:
        return WorkerProcess(self._settings, self._environment)
