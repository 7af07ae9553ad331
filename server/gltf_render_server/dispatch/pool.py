"""RenderPool: requests wait on a board, and go to the workers' processes; a lost worker loses no request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from ..errors import NoWorkerError
from ..frame import Frame
from ..process.scratch import ScratchFolder
from ..renderer import RenderedFrame, RendererInfo
from ..settings import ServerSettings
from .affinity import PoolJob
from .board import Board
from .gpus import gpu_ids, pinned
from .place import Place
from .service import WorkerStatus
from .worker import Greeting

__all__ = ["RenderPool"]

_END_S = 4.0  # for idle workers to end by themselves


class RenderPool:
    """A `RenderService` of ``settings.workers`` processes, started by it.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    SettingsError, WorkerLostError
        The first worker cannot start.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._board = Board(settings.max_queue, settings.workers)
        self._scratch = ScratchFolder()
        self._first_start: Future[Greeting] = Future()
        gpus = gpu_ids(settings.gpus)
        self._places = [
            Place(
                number,
                settings,
                pinned(gpus, number),
                self._scratch.path,
                self._board,
                self._note_start,
                self._note_failure,
            )
            for number in range(settings.workers)
        ]
        for place in self._places:
            place.start()
        try:
            self._greeting = self._first_start.result()
        except BaseException:
            self.shut_down()
            raise

    @property
    def info(self) -> RendererInfo:
        """Name, version and device of the back end."""
        return self._greeting.info

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require."""
        return self._greeting.extensions

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing more is taken."""
        return self._board.is_closed

    def __len__(self) -> int:
        """How many requests wait; those that are being rendered do not count."""
        return len(self._board)

    def workers(self) -> Sequence[WorkerStatus]:
        """Tell how each worker is."""
        return [place.status() for place in self._places]

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the arrays of `frame`; see `RenderService.submit`.

        Raises
        ------
        WorkerLostError, RenderTimeoutError
            Two workers were lost over it.
        NoWorkerError
            No worker can be started, or somebody kills each of them.
        """
        job = PoolJob.of(frame, is_abandoned)
        self._board.put(job)
        return job.result(lambda: self._board.withdraw(job))

    def close(self) -> None:
        """Take nothing more and give up what waits. What is being rendered goes on."""
        self._board.close()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being rendered; false if that took longer than `timeout_s`."""
        return self._board.wait_until_idle(timeout_s)

    def give_up_running(self) -> None:
        """Answer the clients of what is being rendered with an error."""
        self._board.refuse_running()

    def shut_down(self) -> None:
        """End all processes, and leave nothing behind. What renders or starts ends at once."""
        self._board.close()
        for place in self._places:
            place.end()
        deadline_s = time.monotonic() + _END_S
        for place in self._places:
            place.wait(max(0.0, deadline_s - time.monotonic()))
        self._scratch.remove()

    def _note_start(self, greeting: Greeting) -> None:
        with suppress(InvalidStateError):  # it is not the first
            self._first_start.set_result(greeting)

    def _note_failure(self, error: Exception) -> None:
        """Let nobody wait while no worker can be started; the first of all starts must not fail."""
        with suppress(InvalidStateError):
            self._first_start.set_exception(error)
        if all(place.cannot_start for place in self._places):
            self._board.fail_waiting(
                NoWorkerError("no worker can be started, as the server's log tells; try again later")
            )
