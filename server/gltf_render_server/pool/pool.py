"""RenderPool: requests wait on a board, and go to the workers' processes; a lost worker loses no request."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..protocol import RenderRequest
from ..renderer import RenderedImage, RendererInfo
from ..service import WorkerStatus
from ..settings import ServerSettings
from .assignment import PoolJob
from .board import Board
from .gpus import gpu_ids, pinned
from .place import Place

__all__ = ["RenderPool"]


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
        gpus = gpu_ids(settings.gpus)
        self._places = [
            Place(number, settings, pinned(gpus, number), self._board) for number in range(settings.workers)
        ]
        try:
            self._greeting = self._places[0].greeting()
        except BaseException:
            self.shut_down()
            raise
        for place in self._places:
            place.start()

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

    def submit(
        self, request: RenderRequest, *, is_abandoned: Callable[[], bool] = lambda: False
    ) -> RenderedImage:
        """Wait for the picture of `request`; see `RenderService.submit`.

        Raises
        ------
        WorkerLostError, RenderTimeoutError
            Two workers were lost over it.
        """
        job = PoolJob.of(request, is_abandoned)
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
        """End all processes now, whatever they do."""
        self._board.close()
        for place in self._places:
            place.end()
