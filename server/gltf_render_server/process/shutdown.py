"""Ending on a signal: answer who waits, leave nothing behind, and end as killed by that signal.

Blender may keep the main thread inside a render for minutes, where no Python signal handler runs. So a thread
of its own waits for the byte that the interpreter writes when a signal arrives, and does all there is to do.
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
from typing import Protocol

__all__ = ["ShutdownWatch", "Work"]

_logger = logging.getLogger(__name__)

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_RESTART = 0  # no signal has this number
_GRACE_S = 8.0  # for the render in progress; docker kills after 10
_DRAIN_S = 2.0


class Work(Protocol):
    """What a process does until it ends; called on a thread that owns nothing of it."""

    def close(self) -> None:
        """Take nothing more, and give up what waits."""
        ...

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is under way; false if that took longer."""
        ...

    def give_up_running(self) -> None:
        """Answer who waits for what is under way."""
        ...

    def shut_down(self) -> None:
        """End what would outlive the process."""
        ...


class ShutdownWatch:
    """Ends the process when a signal asks for it. Made on the main thread.

    Parameters
    ----------
    work : Work
        Is closed; what is under way gets `_GRACE_S`, then its client gets an error. A second signal cuts
        that short.
    drain : callable of float
        Sends what was answered; gets a limit in seconds.
    """

    def __init__(self, work: Work, drain: Callable[[float], None]) -> None:
        self._work = work
        self._drain = drain
        self._wakeup, written = socket.socketpair()
        written.setblocking(False)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        self._written = written  # the interpreter knows the descriptor only
        self._thread = threading.Thread(target=self._watch, name="shutdown", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Keep the main thread until the process ends."""
        self._thread.join()

    def restart(self) -> None:
        """End as on a signal, but start anew in the same process; returns at once."""
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
    """Run the command that this process was started with, in its place."""
    command = sys.orig_argv or sys.argv
    os.execvp(command[0], command)  # noqa: S606  it is our own


def _die_of(number: int) -> None:
    """End the process by the signal itself, so that its parent sees what ended it.

    ``signal.signal`` is for the main thread only, which Blender may hold.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.name == "posix":
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        libc.signal(number, None)  # SIG_DFL
        os.kill(os.getpid(), number)
        signal.pause()
    os._exit(128 + number)
