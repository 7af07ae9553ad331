"""Determines what Ctrl-C and SIGTERM do to a program of the command line, and where.

Python raises KeyboardInterrupt anywhere in the main thread, and not all code expects that: a callback drops
it, an import ends with a traceback, and Blender crashes when it starts, or goes on with half a picture.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

__all__ = [
    "blocked_interruption",
    "end_by",
    "held_interruption",
    "instant_interruption",
    "interruption",
    "process_start",
]

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_START_S = 5.0  # the longest wait for the start of a process
_start_lock = threading.RLock()


@contextmanager
def interruption() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal in a ``with`` block; a second one ends the process.

    As for the other functions here: only the main thread handles signals; on another one, nothing changes.
    """
    # nohup makes a process ignore a signal
    with _handled([each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN], _interrupt):
        yield


@contextmanager
def held_interruption() -> Iterator[None]:
    """Delay the first signal until the end of a ``with`` block, if Python code handles it.

    A second signal ends the process.
    """
    came: list[int] = []
    try:
        with _handled([each for each in _SIGNALS if callable(signal.getsignal(each))], came.append):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


@contextmanager
def instant_interruption() -> Iterator[None]:
    """End the process at Ctrl-C without a traceback in a ``with`` block that imports a program."""
    is_own = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job may ignore it
    with _handled([signal.SIGINT] if is_own else [], signal.raise_signal):
        yield


@contextmanager
def blocked_interruption() -> Iterator[None]:
    """Block Ctrl-C on this thread in a ``with`` block, and for good in each process that the block starts.

    A terminal sends it to all processes, although only the first one should decide what to do.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def process_start() -> Iterator[None]:
    """Delay `end_by` in a ``with`` block that starts a process of Python's.

    Such a process prints a traceback if this one ends before it has told it what to do.
    """
    with _start_lock:
        yield


def end_by(number: int, _frame: object = None) -> NoReturn:
    """End the process by a signal, as its handler, after any `process_start`."""
    _start_lock.acquire(timeout=_START_S)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the kernel protects the first process of a container


def _interrupt(_number: int) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _handled(numbers: Sequence[int], handle: Callable[[int], Any]) -> Iterator[None]:
    """Call `handle` for the first of these signals in a ``with`` block; after it, each ends the process."""

    def note(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        handle(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None stands for a handler that is not Python's


def _renew_lock() -> None:
    """Make a new lock in a fork, which has no thread that would release the former one."""
    global _start_lock
    _start_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
