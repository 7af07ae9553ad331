"""A service that is still being made: health is told meanwhile, and requests wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from ..errors import SettingsError
from ..frame import Frame
from ..renderer import RenderedFrame, RendererInfo
from .pool import RenderPool
from .service import WorkerState, WorkerStatus

__all__ = ["StartingService"]

_logger = logging.getLogger(__name__)

_PAUSE_S = 5.0  # before it is tried again


class StartingService:
    """A `RenderService` that is made on a thread of its own, and again until that succeeds.

    Parameters
    ----------
    name : str
        Of the back end, until it says its own.
    make : callable
        Makes the pool, in its own time.
    """

    def __init__(self, name: str, make: Callable[[], RenderPool]) -> None:
        self._name = name
        self._make = make
        self._pool: RenderPool | None = None
        self._error: SettingsError | None = None
        self._is_closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="start", daemon=True).start()

    @property
    def info(self) -> RendererInfo:
        """Name, version and device of the back end; as far as they are known."""
        return RendererInfo(self._name, "", "", "") if self._pool is None else self._pool.info

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require; waits until they are known."""
        return self._made().extensions

    @property
    def is_closed(self) -> bool:
        """Whether it ends."""
        return self._is_closed

    def __len__(self) -> int:
        """How many requests wait for a worker that has started."""
        return 0 if self._pool is None else len(self._pool)

    def workers(self) -> Sequence[WorkerStatus]:
        """Tell how each worker is."""
        if self._pool is None:
            return [WorkerStatus(0, None, WorkerState.STARTING, 0, 0, 0)]
        return self._pool.workers()

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the arrays of `frame`; see `RenderService.submit`.

        Raises
        ------
        SettingsError
            The service cannot start like that.
        """
        return self._made().submit(frame, is_abandoned=is_abandoned)

    def close(self) -> None:
        """Take nothing more and give up what waits."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.close()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being rendered; false if that took longer than `timeout_s`."""
        return self._pool is None or self._pool.wait_until_idle(timeout_s)

    def give_up_running(self) -> None:
        """Answer the clients of what is being rendered with an error."""
        if self._pool is not None:
            self._pool.give_up_running()

    def shut_down(self) -> None:
        """End all processes now, whatever they do."""
        with self._changed:
            self._is_closed = True
            pool = self._pool
        if pool is not None:
            pool.shut_down()

    def _made(self) -> RenderPool:
        with self._changed:
            self._changed.wait_for(lambda: self._pool is not None or self._error is not None)
            if self._pool is not None:
                return self._pool
            assert self._error is not None  # noqa: S101  or it would wait
            raise self._error

    def _run(self) -> None:
        while not self._try():
            threading.Event().wait(_PAUSE_S)

    def _try(self) -> bool:
        """Make the pool; tell whether there is nothing more to do."""
        if self._is_closed:
            return True
        try:
            pool = self._make()
        except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
            _logger.error("the back end cannot start: %s", error)
            self._fail(error)
            return False
        self._succeed(pool)
        return True

    def _fail(self, error: Exception) -> None:
        """Answer with what its user must mend; anything else may pass, and requests wait for that."""
        with self._changed:
            self._error = error if isinstance(error, SettingsError) else None
            self._changed.notify_all()

    def _succeed(self, pool: RenderPool) -> None:
        with self._changed:
            self._pool, self._error = pool, None
            is_late = self._is_closed
            self._changed.notify_all()
        if is_late:
            pool.shut_down()
