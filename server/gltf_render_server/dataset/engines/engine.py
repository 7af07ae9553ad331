"""What an engine is to the runner: it makes items by their indices, and tells what became of each.

Knows nothing of where items are kept, nor of who else works on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

from ... import __version__
from ...errors import DatasetError, RenderServerError, RequestError, SettingsError
from ...renderer import RendererInfo
from ..item import Item, MadeItem, Read
from ..records import Manifest, QuarantineRecord

__all__ = [
    "Engine",
    "Failed",
    "Outcome",
    "Outcomes",
    "Plan",
    "bounded",
    "failed",
    "outcome_of",
    "versions_of",
]

_logger = logging.getLogger(__name__)

_LONGEST_REASON = 2000


class Plan(Protocol):
    """What items a dataset has. It can be pickled, and any thread may call it, several at once."""

    def __len__(self) -> int:
        """How many items there are, those that cannot be made included."""
        ...

    def name(self, index: int) -> str:
        """Return what an item is of, at no cost; neighbours of one name share a scene."""
        ...

    def item(self, index: int, read: Read) -> Item:
        """Return an item; it depends on the index alone.

        Parameters
        ----------
        index : int
        read : callable
            Reads and checks a document; what was read lately is kept.

        Raises
        ------
        RequestError, SceneError, DatasetError
            It cannot be made, now or later.
        """
        ...

    def manifest(self, versions: dict[str, str]) -> Manifest:
        """Return what all items share, as these versions make them; see `Engine.versions`."""
        ...


@dataclass(frozen=True)
class Failed:
    """An item that was not made, though it might be at another time.

    Attributes
    ----------
    index : int
    name : str
    kind : str
        The error's class.
    reason : str
    """

    index: int
    name: str
    kind: str
    reason: str


Outcome = MadeItem | QuarantineRecord | Failed
"""What becomes of an item; `QuarantineRecord` = it can never be made."""

Outcomes = Generator[Outcome, None, None]


class Engine(Protocol):
    """Makes items. It is used by one thread, which closes it."""

    @property
    def versions(self) -> dict[str, str]:
        """Of all that the bytes depend on; waits until that is known.

        Raises
        ------
        SettingsError, DatasetError
            What renders cannot start, or its parts are of several versions.
        UnavailableError, RenderError
            It did not start.
        """
        ...

    def run(self, plan: Plan, indices: Iterable[int]) -> Outcomes:
        """Make items, and yield what became of each, in any order.

        Indices are taken when there is room for them, so that what is in memory does not grow with the
        number of items. When the iterator is closed, what is under way is given up.

        Raises
        ------
        SettingsError
            No item can be made like that.
        """
        ...

    def close(self) -> None:
        """End all that the engine has started."""
        ...


def versions_of(renderer: RendererInfo, package: str = __version__) -> dict[str, str]:
    """Return what the bytes of an item depend on, beside the item.

    Parameters
    ----------
    renderer : RendererInfo
    package : str
        The version of this package that renders.
    """
    return {
        "gltf-render-server": package,
        renderer.name.lower(): renderer.version,
        "engine": renderer.engine,
    }


def outcome_of(plan: Plan, index: int, read: Read, make: Callable[[Item], MadeItem]) -> Outcome:
    """Make an item, and tell what becomes of it.

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
    except Exception as error:  # whatever it is, other items may do better
        _logger.debug("item %d failed", index, exc_info=error)
        return failed(plan, index, error)


def failed(plan: Plan, index: int, error: Exception) -> Failed:
    """Tell of an error that another try may not meet."""
    kind = type(error).__name__
    reason = str(error) if isinstance(error, RenderServerError) else f"{kind}: {error}"
    return Failed(index, plan.name(index), kind, reason[:_LONGEST_REASON])


def bounded(
    pool: Executor,
    make: Callable[[int], Outcome],
    indices: Iterable[int],
    most: int,
    wait_for: Callable[[set[Future[Outcome]]], set[Future[Outcome]]] | None = None,
) -> Outcomes:
    """Call a function in a pool for each index, a few at once, and yield what it returns.

    Parameters
    ----------
    pool : Executor
    make : callable
    indices : iterable of int
    most : int
        How many calls there may be whose outcome is not taken yet.
    wait_for : callable, optional
        Waits until some of the calls are done, and returns these.
    """
    wait_for = wait_for or _some_of
    waiting = iter(indices)
    running: set[Future[Outcome]] = set()
    try:
        while True:
            while len(running) < most and (index := next(waiting, None)) is not None:
                running.add(pool.submit(make, index))
            if not running:
                return
            for future in wait_for(running):
                running.remove(future)
                yield future.result()
    finally:
        for future in running:
            future.cancel()


def _some_of(running: set[Future[Outcome]]) -> set[Future[Outcome]]:
    return wait(running, return_when=FIRST_COMPLETED).done
