"""The interface of an export format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..store import Store

__all__ = ["Format"]


@dataclass(frozen=True)
class Format:
    """A format that a dataset can be exported to.

    Attributes
    ----------
    name : str
        The name by which users choose the format.
    summary : str
        A sentence that says which tools read the format, and what it contains.
    passes : tuple of str
        The passes that the format needs. It also writes others that it knows, if the dataset has them.
    export : callable
        Writes all items of a store into an existing, empty folder. The same store gives the same bytes.
        Raises DatasetError if an item cannot be written in this format.
    check_splits : callable
        Takes the names of splits. Raises DatasetError if a split cannot have this name in the format.
    """

    name: str
    summary: str
    passes: tuple[str, ...]
    export: Callable[[Store, Path], None]
    check_splits: Callable[[Iterable[str]], None] = lambda _: None
