"""A worker process, during its lifetime."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from multiprocessing import resource_tracker
from pathlib import Path

import psutil

from ..errors import RenderTimeoutError, WorkerLostError
from ..process.interruption import blocked_interruption, process_start
from ..renderer import RenderedFrame
from ..settings import ServerSettings
from . import worker
from .arrays import ArrayFile, Stored
from .sharing import Share
from .transfer import AssetMissingError, Packed, RecentAssets
from .worker import Begun, Handshake, Message

__all__ = ["WorkerProcess"]

_EXIT_STATUS_OF_KILLED = (-9, -15)  # SIGKILL, SIGTERM; Windows does not know the first
_LOOK_S = 0.25  # the interval between two checks of a worker
_END_S = 2.0  # the time for a process to end by itself
_NOTE_S = 0.01  # another thread that asks after a process may have its exit status, and not have noted it yet
_REAP_S = 5.0  # the time for a killed process to disappear
_KERNEL_COUNTS = Path("/proc/vmstat")


class WorkerProcess:
    """A separate process with a renderer. It is not used again after a crash.

    This object holds one end of a connection. If the process dies, the connection ends, and so does every
    wait for it. One thread owns the object. Any thread may call `kill`, and read its state.

    Parameters
    ----------
    settings : ServerSettings
    share : Share
        The resources that the process gets.
    environment : mapping of str to str
        Environment variables that differ in the worker.
    folder : Path
        A folder for the files of this process. It is created here, and removed with the process.

    Raises
    ------
    OSError
        The system cannot start another process at the moment.
    """

    def __init__(
        self, settings: ServerSettings, share: Share, environment: Mapping[str, str], folder: Path
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._handshake: Handshake | None = None
        self._is_closed = False
        self._sender: threading.Thread | None = None
        self._assets = RecentAssets()  # the parts that the process has cached
        self._system_kills = _kills_by_system()
        self._deadline_s = time.monotonic() + settings.start_timeout
        self.has_begun = False
        self.rendered = 0
        arrays = folder / "arrays"
        context = multiprocessing.get_context("spawn")
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.mkdir()
            self._arrays = ArrayFile(arrays, is_new=True)
            undo.callback(self._arrays.close)
            self._connection, others = context.Pipe()
            undo.callback(self._connection.close)
            with others:
                arguments = (others, settings, share, {**environment, "TMPDIR": str(folder)}, arrays)
                self._process = context.Process(target=worker.run, args=arguments, daemon=True)
                if os.name == "posix":
                    resource_tracker.ensure_running()  # its start would end the next block
                with process_start(), blocked_interruption():  # until the process ignores it by itself
                    self._process.start()
            undo.pop_all()
        self.pid = self._process.pid

    @property
    def has_news(self) -> bool:
        """Whether `handshake` returns or fails without waiting."""
        return self._connection.poll() or time.monotonic() > self._deadline_s

    @property
    def is_alive(self) -> bool:
        """Whether the process is still running."""
        with suppress(ValueError):  # the process was closed by another thread
            return not self._is_closed and self._process.exitcode is None
        return False

    @property
    def rss_bytes(self) -> int:
        """The resident memory of the process; 0 = unknown."""
        with suppress(psutil.Error, OSError):  # OSError occurs when this process has no file descriptors left
            return psutil.Process(self.pid).memory_info().rss
        return 0

    @property
    def is_to_retire(self) -> bool:
        """Whether the process should be replaced at the next opportunity."""
        most = self._settings.worker_max_requests
        return (most is not None and self.rendered >= most) or self._is_too_large()

    def handshake(self) -> Handshake:
        """Wait until the renderer has started.

        Raises
        ------
        SettingsError
            The renderer cannot start with these settings.
        WorkerLostError
            The process ended before that, or took too long.
        """
        if self._handshake is None:
            try:
                said = self._next(self._deadline_s)
            except TimeoutError:
                limit_s = self._settings.start_timeout
                raise WorkerLostError(
                    f"a render worker did not start within {limit_s:g} s (option --start-timeout)"
                ) from None
            if isinstance(said, BaseException):
                raise said
            assert isinstance(said, Handshake)  # noqa: S101  the worker's first word
            self._handshake = said
        return self._handshake

    def render(self, packed: Packed) -> RenderedFrame | BaseException:
        """Render a request in the process.

        Returns
        -------
        RenderedFrame or BaseException
            The result, with the additional stage ``transfer`` for sending and receiving; or any error that
            the renderer raised.

        Raises
        ------
        WorkerLostError, RenderTimeoutError
            The process must be closed. `has_begun` tells whether it had begun to render this request.
        """
        started_s = time.monotonic()
        self.has_begun = False
        self._system_kills = _kills_by_system()
        outcome = self._outcome(packed, started_s)
        if isinstance(outcome, AssetMissingError):
            self._assets.clear()
            outcome = self._outcome(packed, started_s)
        if isinstance(outcome, Stored):
            outcome = self._arrays.load(outcome)
        self.rendered += 1
        if isinstance(outcome, RenderedFrame):
            elapsed_ms = (time.monotonic() - started_s) * 1000
            outcome.stages_ms["transfer"] = max(0.0, elapsed_ms - sum(outcome.stages_ms.values()))
        return outcome

    def kill(self) -> None:
        """Kill the process, whatever it is doing. This returns at once."""
        with suppress(ValueError, OSError):  # closed by another thread, or dead
            self._process.kill()

    def retire(self) -> None:
        """Let an idle process close its renderer and end, and close this object."""
        self._connection.close()
        with suppress(ValueError):
            self._process.join(_END_S)
        self.close()

    def close(self) -> None:
        """Kill the process, and release all its resources."""
        self.kill()
        if self._sender is not None:
            self._sender.join(_REAP_S)
        self._connection.close()
        self._arrays.close()
        with suppress(ValueError):
            self._process.join(_REAP_S)
            self._is_closed = True
            self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # the process is dead, which the receiving side notices
            self._connection.send_bytes(message)

    def _outcome(self, packed: Packed, started_s: float) -> RenderedFrame | Stored | BaseException:
        try:
            message = packed.message(self._assets)
        except Exception as error:  # noqa: BLE001  no process is lost by that
            return error
        # on a separate thread, because a hanging process does not read
        self._sender = threading.Thread(target=self._send, args=(message,), name="worker-send", daemon=True)
        self._sender.start()
        limit_s = self._settings.render_timeout
        deadline_s = float("inf") if limit_s is None else started_s + limit_s
        try:
            while isinstance(said := self._next(deadline_s), Begun):
                self.has_begun = True
        except TimeoutError:
            raise RenderTimeoutError(
                f"the render took longer than {limit_s:g} s (option --render-timeout)"
            ) from None
        assert not isinstance(said, Handshake)  # noqa: S101  said once
        return said

    def _next(self, deadline_s: float) -> Message:
        """Wait for the worker's next message, and enforce its time and memory limits."""
        try:
            while not self._connection.poll(max(0.0, min(_LOOK_S, deadline_s - time.monotonic()))):
                if time.monotonic() >= deadline_s:
                    raise TimeoutError
                if self._is_too_large():
                    raise WorkerLostError(
                        f"the render used {self.rss_bytes / 1e6:.0f} MB of memory, more than the limit "
                        "(option --worker-max-rss)"
                    )
            return self._connection.recv()
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise self._loss() from None

    def _loss(self) -> WorkerLostError:
        """Return the error for the end of the connection, with its cause."""
        code = self._exit_status()
        doing = "rendering" if self._handshake else "starting"
        was_killed = code in _EXIT_STATUS_OF_KILLED
        if was_killed and self._system_kills not in (None, _kills_by_system() or self._system_kills):
            return WorkerLostError(
                f"the system killed a render worker while it was {doing}, because the machine ran out "
                "of memory"
            )
        return WorkerLostError(
            f"a render worker exited unexpectedly while it was {doing}{_cause(code)}", is_foreign=was_killed
        )

    def _exit_status(self) -> int | None:
        """Wait a while for the end of the process, and return its exit status; None = unknown."""
        deadline_s = time.monotonic() + _END_S
        self._process.join(_END_S)
        while (code := self._process.exitcode) is None and time.monotonic() < deadline_s:
            time.sleep(_NOTE_S)
        return code

    def _is_too_large(self) -> bool:
        most_mb = self._settings.worker_max_rss
        return most_mb is not None and self.rss_bytes > most_mb * 1e6


def _cause(code: int | None) -> str:
    if code is None:
        return ""
    with suppress(ValueError):
        return f"; it was killed by {signal.Signals(-code).name}"
    return f" with exit status {code}"


def _kills_by_system() -> int | None:
    """Return how many processes the kernel has killed to free memory; None = unknown."""
    with suppress(OSError):
        for line in _KERNEL_COUNTS.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
