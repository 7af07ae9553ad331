"""The interface of a layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..report import Report
from ..seen import SeenScene

__all__ = ["Layout", "Reading"]


class Reading(Protocol):
    """The scenes of a folder, which are read one after the other."""

    def __len__(self) -> int:
        """Return the number of scenes, as far as it is known yet."""
        ...

    def __iter__(self) -> Iterator[SeenScene]:
        """Yield the scenes of the folder, and report what is wrong with its files."""
        ...


@dataclass(frozen=True)
class Layout:
    """A way to arrange the files of a dataset in a folder.

    Attributes
    ----------
    name : str
    is_it : callable
        Returns whether a folder has this layout.
    read : callable
        Begins to read a folder; takes its path and the report that receives the findings.
    """

    name: str
    is_it: Callable[[Path], bool]
    read: Callable[[Path, Report], Reading]
