"""What a format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..store import Store

__all__ = ["Format"]


@dataclass(frozen=True)
class Format:
    """A way to write a dataset.

    Attributes
    ----------
    name : str
        As it is asked for.
    summary : str
        Who reads it, and what is in it, in a sentence.
    passes : tuple of str
        Those that it cannot do without; of others it takes what is there.
    export : callable
        Writes all items of a store into a folder that is there and empty. The same store gives the same
        bytes. Raises DatasetError where an item cannot be written in that format.
    """

    name: str
    summary: str
    passes: tuple[str, ...]
    export: Callable[[Store, Path], None]
