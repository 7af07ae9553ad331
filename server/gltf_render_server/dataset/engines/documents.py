"""Items of documents, each of which is read and checked once for all items that show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from ...gltf import Asset, read_asset
from ...gltf.container import open_container
from ...gltf.decoding import decode
from ...http.scenes import SceneStore, keep_asset
from ...limits import time_limit
from ...settings import ServerSettings
from ..item import Item, MadeItem, Render, make_item
from ..shot import Document
from .engine import Outcome, Plan, outcome_of

__all__ = ["Documents", "required_extensions"]

_MOST_DOCUMENTS = 16
"""Those that are under way and a few more: hardly any is asked for again once others were."""


class Documents:
    """Reads documents as a server does, and keeps the last of them. Safe on many threads.

    Parameters
    ----------
    settings : ServerSettings
        The limits of what is read, and of what is kept.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._kept = SceneStore(round(settings.scene_cache_mb * 1e6), _MOST_DOCUMENTS)

    def asset(self, document: Document, extensions: frozenset[str] | None) -> Asset:
        """Return a document, read; its key is its digest, so that it travels to a worker once.

        Parameters
        ----------
        document : Document
        extensions : frozenset of str
            Those that the back end's importer knows; None = another process refuses those that it does not.

        Raises
        ------
        SceneError, TooLargeError
            It cannot be shown.
        CheckTimeoutError
        """

        def read() -> Asset:
            known = required_extensions(document.data) if extensions is None else extensions
            return read_asset(document.data, extensions=known, limits=self._settings.limits)

        with self.checking():
            kept, _ = self._kept.add(
                document.sha256, lambda: keep_asset(document.sha256, len(document.data), read()), _hold
            )
        return kept.asset

    def outcome(
        self, plan: Plan, index: int, extensions: Callable[[], frozenset[str] | None], render: Render
    ) -> Outcome:
        """Make an item of a plan, and tell what becomes of it.

        Parameters
        ----------
        plan : Plan
        index : int
        extensions : callable
            Returns those that `asset` is given.
        render : callable
            Makes the arrays of each view.

        Raises
        ------
        SettingsError
        """

        def read(document: Document) -> Asset:
            return self.asset(document, extensions())

        def make(item: Item) -> MadeItem:
            asset = read(item.shot.document)
            with self.checking():
                return make_item(item, asset, render)

        return outcome_of(plan, index, read, make)

    def checking(self) -> AbstractContextManager[None]:
        """Bound how long this thread may check what an item shows, for the length of a ``with`` block."""
        return time_limit(self._settings.check_timeout)


def required_extensions(data: bytes) -> frozenset[str]:
    """Return the extensions that a document requires."""
    document = decode(open_container(data).json)
    told = document.get("extensionsRequired")
    return (
        frozenset(each for each in told if isinstance(each, str)) if isinstance(told, list) else frozenset()
    )


def _hold(lock: threading.Lock) -> threading.Lock:
    return lock
