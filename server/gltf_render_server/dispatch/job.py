"""A request that waits for its turn, and the answer that somebody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..errors import RequestError, ShuttingDownError
from ..frame import Frame
from ..renderer import RenderedFrame
from .transfer import Packed

__all__ = ["Job", "Needs"]

_LOOK_S = 0.5  # between two looks at whether the client still waits


@dataclass(frozen=True)
class Needs:
    """What a worker should have loaded, to render a request soon.

    Attributes
    ----------
    parts : mapping of str to frozenset
        For each scene that a renderer keeps, ``colour`` or ``exact``: digests of all that is shown of it.
    views : mapping of bytes to int
        For each exact view what its passes depend on, and the bytes that it takes to keep them.
    """

    parts: Mapping[str, frozenset[object]] = field(default_factory=dict)
    views: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """One request.

    Attributes
    ----------
    frame : Frame
    needs : Needs
    is_abandoned : callable
        Tells whether nobody waits for the answer any more.
    packed : Packed or None
        The request as it goes to a process: whoever submits it packs it, so that no worker has to wait.
    crashes, kills : int
        How many processes its render has ended, and how many were lost otherwise after it had begun.
    overtaken : int
        How many younger jobs were preferred to it.
    """

    frame: Frame
    needs: Needs = field(default_factory=Needs)
    is_abandoned: Callable[[], bool] = lambda: False
    packed: Packed | None = None
    crashes: int = 0
    kills: int = 0
    overtaken: int = 0
    _submitted_s: float = field(default_factory=time.perf_counter)
    _queue_ms: float = 0.0
    _future: Future[RenderedFrame] = field(default_factory=Future)

    def begin(self) -> bool:
        """Note that its turn has come; false, and answered, if nobody waits for it."""
        self._queue_ms = (time.perf_counter() - self._submitted_s) * 1000
        return not self._give_up_if_abandoned()

    def settle(self, outcome: RenderedFrame | BaseException) -> None:
        """Answer. A render that ends while it is being given up keeps its first answer."""
        with suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self._future.set_exception(outcome)
            else:
                stages_ms = {"queue": self._queue_ms, **outcome.stages_ms}
                self._future.set_result(replace(outcome, stages_ms=stages_ms))

    def refuse(self) -> None:
        """Answer that the server ends."""
        self.settle(
            ShuttingDownError("the server is shutting down and has cancelled this render; try again later")
        )

    def result(self, withdraw: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the answer.

        Parameters
        ----------
        withdraw : callable, optional
            Called when nobody waits for the answer any more: takes the job out of the queue, and tells
            whether it still was there.
        """
        while not wait_for([self._future], _LOOK_S).done:
            if self.is_abandoned() and withdraw():
                self._give_up_if_abandoned()
        return self._future.result()

    def _give_up_if_abandoned(self) -> bool:
        is_abandoned = self.is_abandoned()
        if is_abandoned:
            self.settle(RequestError("the client disconnected before the render began"))
        return is_abandoned
