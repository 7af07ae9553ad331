"""Restarts the server when its code changes, for developers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["watch_code"]

_logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parents[1]


def watch_code(restart: Callable[[], None]) -> None:
    """Call `restart` once when a module of the package changes. This function returns at once."""
    threading.Thread(target=_watch, args=(restart,), name="reload", daemon=True).start()


def _watch(restart: Callable[[], None]) -> None:
    from watchfiles import PythonFilter, watch  # imported here because only developers have this package

    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it would log every check
    for changes in watch(_PACKAGE, watch_filter=PythonFilter(), raise_interrupt=False):
        names = sorted({Path(path).name for _, path in changes})
        _logger.info("%s changed: starting anew", ", ".join(names))
        restart()
        return
