"""The dispatcher: threads submit requests, and workers or the current process render them in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from ..errors import NoWorkerError, SettingsError, ShuttingDownError
from ..frame import Frame
from ..passes import Render
from ..process.scratch import ScratchFolder
from ..renderer import RenderedFrame, Renderer, RendererInfo
from ..settings import ServerSettings
from .affinity import needs_of
from .job import Job
from .queue import JobQueue
from .sharing import Share, shares_of
from .slots import LocalSlot, ProcessSlot
from .status import WorkerStatus
from .transfer import Packed
from .worker import Handshake

__all__ = ["Dispatcher"]

_END_S = 4.0  # the time for idle workers to end by themselves


class Dispatcher:
    """A bounded queue, and the slots that render its jobs. The constructor returns at once.

    Parameters
    ----------
    settings : ServerSettings
    renderer : Renderer, optional
        The renderer in this process that `run` and `run_next` use. If it is omitted, ``settings.workers``
        processes render, which share the resources of this machine. A process that fails to start is started
        again.
    on_submit : callable, optional
        Called with each request, on the thread that submits it.

    Raises
    ------
    SettingsError
        The number of workers depends on a GPU that does not exist.
    """

    def __init__(
        self,
        settings: ServerSettings,
        renderer: Renderer | None = None,
        on_submit: Callable[[Frame], None] | None = None,
    ) -> None:
        self._name = settings.backend
        self._on_submit = on_submit
        self._changed = threading.Condition()
        self._handshake: Handshake | None = None
        self._failure: Exception | None = None  # the error of the last start, if no start has succeeded
        self._local: LocalSlot | None = None
        self._scratch: ScratchFolder | None = None
        self._slots: Sequence[LocalSlot | ProcessSlot] = ()
        shares = () if renderer else shares_of(settings)
        self._queue = JobQueue(settings.max_queue, len(shares) or 1)
        if renderer is None:
            self._start_processes(settings, shares)
        else:
            self._handshake = Handshake.of(renderer)
            self._local = LocalSlot(renderer, self._queue)
            self._slots = [self._local]

    @property
    def info(self) -> RendererInfo:
        """The name, version and device of the back end, as far as they are known."""
        return self._handshake.info if self._handshake else RendererInfo(self._name, "", "", "")

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require. This waits until they are known.

        Raises
        ------
        SettingsError
            The back end cannot start with these settings.
        NoWorkerError, ShuttingDownError
            It failed to start several times in a row, or the server is shutting down.
        """
        return self._known_handshake().extensions

    @property
    def renders(self) -> frozenset[Render]:
        """The renders that the back end supports. This waits, and raises errors, as `extensions` does."""
        return self._known_handshake().renders

    @property
    def looks(self) -> frozenset[str]:
        """The fields of a look that the back end supports.

        This waits, and raises errors, as `extensions` does.
        """
        return self._known_handshake().looks

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, so that no more requests are accepted."""
        return self._queue.is_closed

    def __len__(self) -> int:
        """Return the number of waiting requests, without those that are being rendered."""
        return len(self._queue)

    def workers(self) -> Sequence[WorkerStatus]:
        """Return the state of each worker."""
        return [slot.status() for slot in self._slots]

    def wait_until_ready(self) -> None:
        """Wait until a renderer has started.

        Raises
        ------
        SettingsError, WorkerLostError
            The first start failed.
        """
        self._shake_hands(lambda _: True)

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Render `frame`, and wait for its arrays.

        Parameters
        ----------
        frame : Frame
        is_abandoned : callable
            Called repeatedly while the request waits, and when it is about to be rendered. It returns true if
            the client has disconnected.

        Returns
        -------
        RenderedFrame
            The result, whose stages begin with ``queue``.

        Raises
        ------
        QueueFullError, ShuttingDownError
            The request was not accepted, or was dropped because the server shuts down.
        RequestError
            The client has disconnected.
        WorkerLostError, RenderTimeoutError
            Two workers were lost during this request.
        NoWorkerError
            No worker can be started, or something kills each of them.
        RenderServerError
            Any error that the back end raised.
        """
        if self._on_submit:
            self._on_submit(frame)
        packed = None if self._local else Packed(frame)
        job = Job(frame, needs_of(frame), is_abandoned, packed)
        self._queue.put(job)
        return job.result(lambda: self._queue.withdraw(job))

    def run(self) -> None:
        """Render on the renderer's own thread until `close` is called, then close the renderer.

        With worker processes, this does nothing.
        """
        if self._local:
            self._local.run()

    def run_next(self) -> bool:
        """Render one waiting request, if any, on the renderer's thread, and return whether there was one.

        This is for a thread that also has other work, such as the main thread of Blender with its window.
        """
        return self._local is not None and self._local.run_next()

    def close(self) -> None:
        """Accept no more requests and drop those that wait.

        A running render continues, and `run` ends after it.
        """
        self._queue.close()
        with self._changed:
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being rendered. Return false if that takes longer than `timeout_s`."""
        return self._queue.wait_until_idle(timeout_s)

    def give_up_running(self) -> None:
        """Respond with an error to the clients whose frames are being rendered. The results are discarded."""
        self._queue.refuse_running()

    def shut_down(self) -> None:
        """End all processes, whatever they are doing, and release all resources."""
        self.close()
        for slot in self._slots:
            slot.end()
        deadline_s = time.monotonic() + _END_S
        for slot in self._slots:
            slot.wait(max(0.0, deadline_s - time.monotonic()))
        if self._scratch is not None:
            self._scratch.remove()

    def _start_processes(self, settings: ServerSettings, shares: Sequence[Share]) -> None:
        self._scratch = scratch = ScratchFolder()
        self._slots = slots = [
            ProcessSlot(
                number, share, settings, scratch.path, self._queue, self._note_start, self._note_failure
            )
            for number, share in enumerate(shares)
        ]
        for slot in slots:
            slot.start()

    def _known_handshake(self) -> Handshake:
        return self._shake_hands(lambda error: isinstance(error, SettingsError | NoWorkerError))

    def _shake_hands(self, is_final: Callable[[Exception], bool]) -> Handshake:
        """Wait for the first worker's handshake, or raise the reason for its absence if that `is_final`."""

        def is_over() -> bool:
            failure = self._failure
            return bool(self._handshake or self.is_closed or (failure and is_final(failure)))

        with self._changed:
            self._changed.wait_for(is_over)
            if self._handshake is not None:
                return self._handshake
            if self.is_closed or self._failure is None:
                raise ShuttingDownError("the server is shutting down")
            raise self._failure

    def _note_start(self, handshake: Handshake) -> None:
        with self._changed:
            self._handshake, self._failure = self._handshake or handshake, None
            self._changed.notify_all()

    def _note_failure(self, error: Exception) -> None:
        """Fail the waiting requests if no worker can be started."""
        if all(slot.cannot_start for slot in self._slots):
            advice = "no render worker can be started, for the reason in the server's log; try again later"
            self._queue.fail_waiting(NoWorkerError(advice))
            error = error if isinstance(error, SettingsError) else NoWorkerError(advice)
        with self._changed:
            self._failure = error
            self._changed.notify_all()
