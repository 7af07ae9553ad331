"""What a layout is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..report import Report
from ..seen import SeenScene

__all__ = ["Layout", "Reading"]


class Reading(Protocol):
    """A folder that is being read."""

    def __len__(self) -> int:
        """How many scenes there will be."""
        ...

    def __iter__(self) -> Iterator[SeenScene]:
        """Yield what the folder shows, and tell the report what is wrong with its files."""
        ...


@dataclass(frozen=True)
class Layout:
    """A way in which a dataset lies in a folder.

    Attributes
    ----------
    name : str
    is_it : callable
        Tells from the names of files whether a folder is one.
    read : callable
        Begins to read.
    """

    name: str
    is_it: Callable[[Path], bool]
    read: Callable[[Path, Report], Reading]
