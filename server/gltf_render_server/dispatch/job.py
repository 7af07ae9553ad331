"""A waiting request, and its result."""

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

_LOOK_S = 0.5  # the interval between two checks whether the client is still connected


@dataclass(frozen=True)
class Needs:
    """What a worker should have loaded in order to render a request quickly.

    Attributes
    ----------
    parts : mapping of str to frozenset
        The digests of all that is shown of each scene that a renderer keeps loaded, ``colour`` and ``exact``.
    views : mapping of bytes to int
        The cache key of each exact view, and the memory that its result takes, in bytes.
    """

    parts: Mapping[str, frozenset[object]] = field(default_factory=dict)
    views: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """A request in the queue.

    Attributes
    ----------
    frame : Frame
    needs : Needs
    is_abandoned : callable
        Returns whether the client has disconnected.
    packed : Packed or None
        The request as it is sent to a process. The submitting thread packs it, so that no worker has to wait.
    crashes, kills : int
        How many processes crashed while rendering it, and how many were lost for other reasons.
    overtaken : int
        How many times a younger job was preferred.
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
        """Note that rendering is about to begin. Return false, and settle the job, if the client has gone."""
        self._queue_ms = (time.perf_counter() - self._submitted_s) * 1000
        return not self._give_up_if_abandoned()

    def settle(self, outcome: RenderedFrame | BaseException) -> None:
        """Set the result, unless there is one already, such as an error at shutdown."""
        with suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self._future.set_exception(outcome)
            else:
                stages_ms = {"queue": self._queue_ms, **outcome.stages_ms}
                self._future.set_result(replace(outcome, stages_ms=stages_ms))

    def refuse(self) -> None:
        """Fail the job because the server shuts down."""
        self.settle(
            ShuttingDownError("the server is shutting down and has cancelled this render; try again later")
        )

    def result(self, withdraw: Callable[[], bool] = lambda: False) -> RenderedFrame:
        """Wait for the result.

        Parameters
        ----------
        withdraw : callable, optional
            Called if the client has disconnected. It removes the job from the queue, and returns whether it
            was still there.
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
