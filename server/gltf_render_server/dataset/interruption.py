"""Turns Ctrl-C and SIGTERM into an exception at places where the program can handle it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interruption"]

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interruption:
    """Raises KeyboardInterrupt for the first signal in a ``with`` block; a second signal ends the process.

    Only the main thread handles signals; on any other thread, the block changes nothing.
    """

    def __init__(self) -> None:
        self._former: dict[int, Any] = {}
        self._is_held = False
        self._has_come = False

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay a signal until the end of a ``with`` block."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._has_come:
                raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        for number in self._former:
            signal.signal(number, signal.SIG_DFL)
        self._has_come = True
        if not self._is_held:
            raise KeyboardInterrupt
