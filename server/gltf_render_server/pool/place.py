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

_MOST_CRASHES = 2
_MOST_KILLS = 5  # one that takes all of a machine's memory is killed by the system every time
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
        while not self._board.is_closed:
            job = self._board.take(self._memory, self._stays)
            if job is not None:
                self._state = WorkerState.RENDERING
                self._render(job)
                self._state = WorkerState.IDLE
            self._tend()

    def _stays(self) -> bool:
        """Whether the process is alive, and no other is ready to take its place."""
        return self._process.is_alive and not (self._successor and self._successor.is_started)

    def _tend(self) -> None:
        """See to it that there is a process that is not worn."""
        if self._board.is_closed:
            return
        if not self._process.is_alive:
            self._lose("it ended while it was idle")
        elif self._successor is None and self._process.is_worn:
            self._successor = self._new_process()  # starts while this one goes on
        elif not self._stays():
            _logger.info("worker %d is replaced after %d requests", self._number, self._process.rendered)
            self._replace()

    def _render(self, job: PoolJob) -> None:
        queue_ms = job.waited_ms
        if job.give_up_if_abandoned():
            self._board.finish(job)
            return
        try:
            image = self._process.render(job.packed)
        except (WorkerLostError, RenderTimeoutError) as error:
            self._let_another_try(job, error)
            self._lose(error)
            return
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
            job.settle(error)
        else:
            self._memory.learn(job)
            job.settle(replace(image, stages_ms={"queue": queue_ms, **image.stages_ms}))
        self._board.finish(job)

    def _let_another_try(self, job: PoolJob, error: RenderServerError) -> None:
        """Give back a job over which a worker was lost, unless it is to blame."""
        if isinstance(error, WorkerLostError) and error.is_foreign:
            job.kills += 1
        else:
            job.crashes += 1
        if job.crashes < _MOST_CRASHES and job.kills < _MOST_KILLS:
            self._board.put_back(job)
        else:
            lost = job.crashes + job.kills
            job.settle(type(error)(f"{error}; this request has cost {lost} workers, and is given up"))
            self._board.finish(job)

    def _lose(self, cause: object) -> None:
        if self._ended.is_set():
            return
        _logger.error("worker %d is replaced: %s", self._number, cause)
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

    def _new_process(self) -> WorkerProcess:
        return WorkerProcess(self._settings, self._environment)
