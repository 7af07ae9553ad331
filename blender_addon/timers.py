"""What Blender calls again and again, and what it drops, or leaves half done, where an exception gets out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy

__all__ = ["Timer", "attempted"]

_logger = logging.getLogger(__name__)

_AGAIN_S = 1.0
_QUIET_S = 60.0  # so long the same failure is not logged again
_logged_s: dict[str, float] = {}


@contextmanager
def attempted(purpose: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Go on after a block that fails, whatever the reason: it is logged with its traceback, and told.

    Parameters
    ----------
    purpose : str
        What the block is there to do: "list the kept requests".
    tell : callable
        Gets a sentence for the user.
    """
    try:
        yield
    except Exception as error:  # the next call may go well, and the user must be able to stop
        text = f"Failed to {purpose} ({type(error).__name__}: {error}); the console tells more"
        if time.monotonic() - _logged_s.get(text, -_QUIET_S) >= _QUIET_S:
            _logged_s[text] = time.monotonic()
            _logger.exception("failed to %s", purpose)
        tell(text)


class Timer:
    """Calls a function on Blender's main thread until it says that it is done; goes on when it fails.

    Parameters
    ----------
    function : callable
        Returns after how many seconds to call it again; None = it is done.
    purpose, tell
        See `attempted`.
    """

    def __init__(
        self, function: Callable[[], float | None], purpose: str, tell: Callable[[str], None]
    ) -> None:
        def run() -> float | None:
            with attempted(purpose, tell):
                return function()
            return _AGAIN_S

        self._run = run  # Blender knows a timer by its function's identity

    def start(self, first_s: float = 0.0) -> None:
        """Begin, unless it has begun."""
        if not bpy.app.timers.is_registered(self._run):
            bpy.app.timers.register(self._run, first_interval=first_s, persistent=True)

    def stop(self) -> None:
        """End, if it has begun."""
        if bpy.app.timers.is_registered(self._run):
            bpy.app.timers.unregister(self._run)
