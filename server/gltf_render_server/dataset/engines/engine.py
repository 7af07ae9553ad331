"""The interface of engines: an engine makes items by their indices, and yields an outcome for each.

An engine does not know where items are stored, nor whether other runners work on the dataset.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

from ... import __version__
from ...errors import DatasetError, RenderServerError, RequestError, SettingsError
from ...process.interruption import held_interruption
from ...renderer import RendererInfo
from ..item import Item, MadeItem, Read
from ..records import Manifest, QuarantineRecord

__all__ = [
    "LOOK_S",
    "Engine",
    "Failed",
    "Outcome",
    "Outcomes",
    "Plan",
    "bounded",
    "failed",
    "outcome_of",
    "some_of",
    "versions_of",
]

_logger = logging.getLogger(__name__)

_LONGEST_REASON = 2000
LOOK_S = 0.1
"""Seconds between two looks for a signal."""


class Plan(Protocol):
    """The items of a dataset. A plan can be pickled, and it is thread-safe."""

    def __len__(self) -> int:
        """Return the number of items, including those that cannot be made."""
        ...

    def name(self, index: int) -> str:
        """Return the name of an item, quickly; neighbours of the same name share a scene."""
        ...

    def item(self, index: int, read: Read) -> Item:
        """Return an item, which depends on its index alone.

        Parameters
        ----------
        index : int
        read : callable
            Reads and checks a document; recent documents are kept.

        Raises
        ------
        RequestError, SceneError, DatasetError
            The item can never be made.
        """
        ...

    def manifest(self, versions: dict[str, str]) -> Manifest:
        """Return what all items share, made with these versions; see `Engine.versions`."""
        ...


@dataclass(frozen=True)
class Failed:
    """An item that was not made, although another attempt may succeed.

    Attributes
    ----------
    index : int
    name : str
    kind : str
        Class of the error.
    reason : str
    """

    index: int
    name: str
    kind: str
    reason: str


Outcome = MadeItem | QuarantineRecord | Failed
"""The outcome of an item; `QuarantineRecord` = the item can never be made."""

Outcomes = Generator[Outcome, None, None]


class Engine(Protocol):
    """Makes items. Only one thread uses an engine, and this thread closes it."""

    @property
    def versions(self) -> dict[str, str]:
        """Versions of everything that the bytes depend on; waits until they are known.

        Raises
        ------
        SettingsError, DatasetError
            The renderer cannot start, or its parts have different versions.
        UnavailableError, RenderError
            The renderer did not start; another attempt may succeed.
        """
        ...

    def run(self, plan: Plan, indices: Iterable[int]) -> Outcomes:
        """Make items, and yield the outcome of each, in any order.

        The engine takes an index when it has room for the item, so that its memory does not grow with the
        number of items. When the iterator is closed, the items in progress are abandoned.

        Raises
        ------
        SettingsError
            No item can be made with these settings.
        """
        ...

    def close(self) -> None:
        """End all processes and threads that the engine has started."""
        ...


def versions_of(renderer: RendererInfo, package: str = __version__) -> dict[str, str]:
    """Return the versions on which the bytes of an item depend.

    Parameters
    ----------
    renderer : RendererInfo
    package : str
        Version of this package where the renderer runs.
    """
    return {
        "gltf-render-server": package,
        renderer.name.lower(): renderer.version,
        "engine": renderer.engine,
    }


def outcome_of(plan: Plan, index: int, read: Read, make: Callable[[Item], MadeItem]) -> Outcome:
    """Make an item, and return its outcome.

    Parameters
    ----------
    plan : Plan
    index : int
    read : callable
        Reads and checks a document.
    make : callable
        Makes the item.

    Raises
    ------
    SettingsError
    """
    try:
        return make(plan.item(index, read))
    except SettingsError:
        raise
    except (RequestError, DatasetError) as error:
        return QuarantineRecord(index, plan.name(index), type(error).__name__, str(error)[:_LONGEST_REASON])
    except Exception as error:  # whatever the error is, other items may succeed
        _logger.debug("item %d failed", index, exc_info=error)
        return failed(plan, index, error)


def failed(plan: Plan, index: int, error: Exception) -> Failed:
    """Return the outcome for an error that another attempt may not meet."""
    kind = type(error).__name__
    reason = str(error) if isinstance(error, RenderServerError) else f"{kind}: {error}"
    return Failed(index, plan.name(index), kind, reason[:_LONGEST_REASON])


def bounded(
    pool: Executor,
    make: Callable[[int], Outcome],
    indices: Iterable[int],
    most: int,
    look_s: float = LOOK_S,
    work: Callable[[], object] = lambda: None,
) -> Outcomes:
    """Call a function in a pool for each index, a few at a time, and yield the results.

    Parameters
    ----------
    pool : Executor
    make : callable
    indices : iterable of int
    most : int
        Largest number of calls whose results have not been yielded.
    look_s : float
        Seconds between two calls of `work` during a wait.
    work : callable
        Called repeatedly on this thread while it waits for the calls in the pool.
    """
    waiting = iter(indices)
    running: set[Future[Outcome]] = set()
    try:
        while True:
            while len(running) < most and (index := next(waiting, None)) is not None:
                with held_interruption():  # an exception within `submit` can leave the pool locked
                    running.add(pool.submit(make, index))
            if not running:
                return
            for future in some_of(running, look_s, work):
                running.remove(future)
                yield future.result()
    finally:
        for future in running:
            future.cancel()


def some_of(
    running: set[Future[Outcome]], look_s: float = LOOK_S, work: Callable[[], object] = lambda: None
) -> set[Future[Outcome]]:
    """Wait until some of the calls are done, and return them; see `bounded`.

    Ctrl-C waits until the end of each look: an exception within `wait` can leave a future locked for ever,
    and with it the thread that sets its result.
    """
    while True:
        with held_interruption():
            if done := wait(running, look_s, FIRST_COMPLETED).done:
                return done
            work()
