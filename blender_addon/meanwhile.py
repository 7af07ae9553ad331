"""Runs work on a thread while Blender continues, and handles the result on the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .control import controller
from .timers import Timer

__all__ = ["meanwhile", "stop_waiting"]

_POLL_S = 0.1
_Outcome = TypeVar("_Outcome")


@dataclass(eq=False)
class _Waiting:
    """Work that is running, or whose result has not been handled."""

    then: Callable[[Any], None]
    may_go_on: Callable[[], bool]
    outcomes: list[Any] = field(default_factory=list)


_waiting: list[_Waiting] = []


def meanwhile(
    work: Callable[[], _Outcome],
    then: Callable[[_Outcome], None],
    may_go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Run some work on a thread, and call `then` on the main thread with its result.

    Parameters
    ----------
    work : callable
        The work, which must not use Blender or raise exceptions.
    then : callable
    may_go_on : callable
        Returns whether `then` may be called now. It is called repeatedly until it returns true.
    """
    waiting = _Waiting(then, may_go_on)
    _waiting.append(waiting)
    threading.Thread(target=lambda: waiting.outcomes.append(work()), daemon=True).start()
    _timer.start(_POLL_S)


def stop_waiting() -> None:
    """Forget all running work."""
    _waiting.clear()
    _timer.stop()


def _go_on() -> float | None:
    for waiting in [waiting for waiting in _waiting if waiting.outcomes and waiting.may_go_on()]:
        _waiting.remove(waiting)  # before the result is handled, so that a failure is not handled again
        waiting.then(waiting.outcomes[0])
    return _POLL_S if _waiting else None


_timer = Timer(_go_on, "show an answer", controller.show_message)
