"""Shutdown on a signal: answer waiting clients, clean up, and end by the same signal.

Blender may keep the main thread inside a render for minutes, and Python's signal handlers do not run in that
time. Therefore a separate thread waits for the byte that the interpreter writes when a signal arrives, and
does all the work.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

__all__ = ["ShutdownWatch", "Work", "end_at_once"]

_logger = logging.getLogger(__name__)

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_RESTART = 0  # stands for a restart; no signal has this number
_GRACE_S = 8.0  # for the render in progress; docker kills the process after 10 s
_DRAIN_S = 2.0


class Work(Protocol):
    """The work of a process. These methods are called on another thread than the work's own."""

    def close(self) -> None:
        """Accept no more work, and drop what waits."""
        ...

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is running. Return false if that takes longer than the limit."""
        ...

    def give_up_running(self) -> None:
        """Send an error to the clients whose work is running."""
        ...

    def shut_down(self) -> None:
        """End everything that would outlive the process."""
        ...


class ShutdownWatch:
    """Ends the process on a signal. Create it on the main thread.

    Parameters
    ----------
    work : Work
        The work that is closed. Running work gets `_GRACE_S`, then its clients get an error. A second signal
        shortens that time.
    drain : callable of float
        Finishes sending responses. It gets a time limit in seconds.
    """

    def __init__(self, work: Work, drain: Callable[[float], None]) -> None:
        self._work = work
        self._drain = drain
        self._wakeup, written = socket.socketpair()
        written.setblocking(False)
        signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)  # first, so that no signal is lost
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup makes a process ignore a signal
                signal.signal(number, lambda *_: None)
        self._written = written  # a reference is needed, because the interpreter only knows the descriptor
        self._thread = threading.Thread(target=self._watch, name="shutdown", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Block the main thread until the process ends."""
        self._thread.join()

    def restart(self) -> None:
        """Shut down as on a signal, but then restart the program in the same process. Returns at once."""
        self._written.send(bytes([_RESTART]))

    def _watch(self) -> None:
        number = self._next_signal()
        is_restart = number == _RESTART
        _logger.info("%s: shutting down", "restart" if is_restart else signal.Signals(number).name)
        try:
            self._finish()
        finally:
            if is_restart:
                _start_anew()
            _die_of(number)

    def _next_signal(self) -> int:
        while (number := self._wakeup.recv(1)[0]) not in (*_SIGNALS, _RESTART):
            pass
        return number

    def _finish(self) -> None:
        self._work.close()
        deadline_s = time.monotonic() + _GRACE_S
        while not self._work.wait_until_idle(0.05):
            if time.monotonic() > deadline_s or select.select([self._wakeup], [], [], 0)[0]:
                _logger.warning("the render in progress is given up")
                self._work.give_up_running()
                break
        self._drain(_DRAIN_S)
        self._work.shut_down()


def _start_anew() -> None:
    """Replace this process with a new run of its command."""
    command = sys.orig_argv or sys.argv
    os.execvp(command[0], command)  # noqa: S606  it is our own


def _die_of(number: int) -> None:
    """End the process by the signal itself, so that its parent sees the cause.

    ``signal.signal`` works only on the main thread, which Blender may occupy.
    """
    _flush()
    if os.name == "posix" and os.getpid() != 1:  # the kernel protects the first process of a container
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        libc.signal(number, None)  # SIG_DFL
        os.kill(os.getpid(), number)
        signal.pause()
    os._exit(128 + number)


def end_at_once(status: int) -> NoReturn:
    """End the process with an exit status, but without Blender's own clean-up, which sometimes hangs."""
    _flush()
    os._exit(status)


def _flush() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as in a process that was started without it
            with suppress(OSError, ValueError):  # a full disk, a closed file
                stream.flush()
