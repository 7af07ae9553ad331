"""Makes items from documents; each document is read and checked once for all items that show it."""

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
"""Enough for the items in progress and a few more; earlier documents are rarely needed again."""


class Documents:
    """Reads documents as a server does, and keeps the most recent ones. It is thread-safe.

    Parameters
    ----------
    settings : ServerSettings
        Limits for documents, and for the memory of those that are kept.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._kept = SceneStore(round(settings.scene_cache_mb * 1e6), _MOST_DOCUMENTS)

    def asset(self, document: Document, extensions: frozenset[str] | None) -> Asset:
        """Read and check a document; its key is its digest, so it is sent to a worker only once.

        Parameters
        ----------
        document : Document
        extensions : frozenset of str
            Extensions that the importer of the back end supports; None = another process checks them.

        Raises
        ------
        SceneError, TooLargeError
            The document cannot be shown.
        CheckTimeoutError
            The check took too long.
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
        """Make an item of a plan, and return the outcome.

        Parameters
        ----------
        plan : Plan
        index : int
        extensions : callable
            Returns the extensions for `asset`.
        render : callable
            Renders the arrays of each view.

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
        """Limit the time for checks on this thread during a ``with`` block."""
        return time_limit(self._settings.check_timeout)


def required_extensions(data: bytes) -> frozenset[str]:
    """Return the extensions that a document requires."""
    document = decode(open_container(data).json)
    required = document.get("extensionsRequired")
    return (
        frozenset(each for each in required if isinstance(each, str))
        if isinstance(required, list)
        else frozenset()
    )


def _hold(lock: threading.Lock) -> threading.Lock:
    return lock
