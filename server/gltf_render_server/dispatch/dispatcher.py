"""The dispatcher: any thread submits a request; a worker, or this very process, renders it in its turn."""

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

_END_S = 4.0  # for idle workers to end by themselves


class Dispatcher:
    """One bounded queue, and the slots that render its jobs. Constructing it returns at once.

    Parameters
    ----------
    settings : ServerSettings
    renderer : Renderer, optional
        What `run` or `run_next` render with, in this process. Without one, ``settings.workers`` processes
        render, among which this machine is shared out; what fails to start of them is tried again.
    on_submit : callable, optional
        Told of each request, on the thread that submits it.

    Raises
    ------
    SettingsError
        How many workers there are depends on a GPU that is not there.
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
        self._failure: Exception | None = None  # of the last start, if there was no other
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
        """Name, version and device of the back end; as far as they are known."""
        return self._handshake.info if self._handshake else RendererInfo(self._name, "", "", "")

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require; waits until they are known.

        Raises
        ------
        SettingsError
            The back end cannot start like that.
        NoWorkerError, ShuttingDownError
            It did not start several times in a row, or the server ends.
        """
        return self._known_handshake().extensions

    @property
    def renders(self) -> frozenset[Render]:
        """The renders that the back end makes; waits, and raises, as `extensions`."""
        return self._known_handshake().renders

    @property
    def looks(self) -> frozenset[str]:
        """The members of a look that the back end knows; waits, and raises, as `extensions`."""
        return self._known_handshake().looks

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing more is taken."""
        return self._queue.is_closed

    def __len__(self) -> int:
        """How many requests wait; those that are being rendered do not count."""
        return len(self._queue)

    def workers(self) -> Sequence[WorkerStatus]:
        """Tell how each worker is."""
        return [slot.status() for slot in self._slots]

    def wait_until_ready(self) -> None:
        """Wait until a renderer is there.

        Raises
        ------
        SettingsError, WorkerLostError
            The first start has failed.
        """
        self._shake_hands(lambda _: True)

    def submit(self, frame: Frame, *, is_abandoned: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the arrays of `frame`.

        Parameters
        ----------
        frame : Frame
        is_abandoned : callable
            Asked now and then while the request waits, and when its turn comes; true if nobody waits for the
            answer any more.

        Returns
        -------
        RenderedFrame
            Its stages begin with ``queue``.

        Raises
        ------
        QueueFullError, ShuttingDownError
            The request was not taken, or given up because the server ends.
        RequestError
            It was abandoned.
        WorkerLostError, RenderTimeoutError
            Two workers were lost over it.
        NoWorkerError
            No worker can be started, or somebody kills each of them.
        RenderServerError
            Whatever the back end raised.
        """
        if self._on_submit:
            self._on_submit(frame)
        packed = None if self._local else Packed(frame)
        job = Job(frame, needs_of(frame), is_abandoned, packed)
        self._queue.put(job)
        return job.result(lambda: self._queue.withdraw(job))

    def run(self) -> None:
        """Render with the renderer of this process until `close`, then close it, on the thread that owns it.

        With workers there is nothing to do.
        """
        if self._local:
            self._local.run()

    def run_next(self) -> bool:
        """Render one request if any waits, on the thread that owns the renderer; tell whether one did.

        For a thread that has something else to do as well: the main thread of Blender with its window.
        """
        return self._local is not None and self._local.run_next()

    def close(self) -> None:
        """Take nothing more and give up what waits. What is being rendered goes on; `run` ends after it."""
        self._queue.close()
        with self._changed:
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being rendered; false if that took longer than `timeout_s`."""
        return self._queue.wait_until_idle(timeout_s)

    def give_up_running(self) -> None:
        """Answer the clients of what is being rendered with an error; those pictures will be thrown away."""
        self._queue.refuse_running()

    def shut_down(self) -> None:
        """End all processes, whatever they do, and leave nothing behind."""
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
        """Wait for the first worker's handshake, or raise why there is none yet if that `is_final`."""

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
        """Let nobody wait while no worker can be started."""
        if all(slot.cannot_start for slot in self._slots):
            advice = "no render worker can be started, for the reason in the server's log; try again later"
            self._queue.fail_waiting(NoWorkerError(advice))
            error = error if isinstance(error, SettingsError) else NoWorkerError(advice)
        with self._changed:
            self._failure = error
            self._changed.notify_all()
