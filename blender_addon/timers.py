"""Timers that survive exceptions, which would make Blender drop a timer or leave work half done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy

__all__ = ["Timer", "attempted"]

_logger = logging.getLogger(__name__)

_AGAIN_S = 1.0
_QUIET_S = 60.0  # the same failure is logged at most once in this time
_logged_s: dict[str, float] = {}


@contextmanager
def attempted(purpose: str, report: Callable[[str], None]) -> Iterator[None]:
    """Log and report any exception of a block, and continue.

    Parameters
    ----------
    purpose : str
        The purpose of the block, such as "list the kept requests".
    report : callable
        Called with a sentence for the user.
    """
    try:
        yield
    except Exception as error:  # the next call may succeed, and the user must be able to stop
        text = f"Failed to {purpose} ({type(error).__name__}: {error}); the console tells more"
        if time.monotonic() - _logged_s.get(text, -_QUIET_S) >= _QUIET_S:
            _logged_s[text] = time.monotonic()
            _logger.exception("failed to %s", purpose)
        report(text)


class Timer:
    """Calls a function on Blender's main thread until it is done, even if it raises exceptions.

    Parameters
    ----------
    function : callable
        Returns the delay until the next call; None = it is done.
    purpose, report
        See `attempted`.
    """

    def __init__(
        self, function: Callable[[], float | None], purpose: str, report: Callable[[str], None]
    ) -> None:
        def run() -> float | None:
            with attempted(purpose, report):
                return function()
            return _AGAIN_S

        self._run = run  # Blender identifies a timer by its function object

    def start(self, first_s: float = 0.0) -> None:
        """Start the timer, unless it is running."""
        if not bpy.app.timers.is_registered(self._run):
            bpy.app.timers.register(self._run, first_interval=first_s, persistent=True)

    def stop(self) -> None:
        """Stop the timer, if it is running."""
        if bpy.app.timers.is_registered(self._run):
            bpy.app.timers.unregister(self._run)
