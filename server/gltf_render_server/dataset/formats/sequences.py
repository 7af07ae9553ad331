"""The sequences of a store, for formats that are about a whole scene: each has a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..store import Store, StoredItem, StoredView

__all__ = ["Sequence", "picture_name", "sequences", "views_of"]

_LONGEST = 60


@dataclass(frozen=True)
class Sequence:
    """The items that show one scene.

    Attributes
    ----------
    name : str
        As the items tell it; an item that is of no sequence is one by itself, with the item's name.
    indices : tuple of int
        Of the items, sorted.
    folder : Path
        Where it is written. It is there.
    """

    name: str
    indices: tuple[int, ...]
    folder: Path


def sequences(store: Store, out: Path) -> list[Sequence]:
    """Return the sequences of a store, in the order of their first items, and make their folders.

    Parameters
    ----------
    store : Store
    out : Path
        The folder of a single sequence. Several have a folder each below it, which is named by the number of
        its first item and what is safe in a file's name of its own: ``000012-chair_glb``.

    Returns
    -------
    list of Sequence
    """
    found: dict[str | int, tuple[str, list[int]]] = {}
    for item in store:
        record = item.record
        name = record.sequence or record.name
        found.setdefault(record.sequence or record.index, (name, []))[1].append(record.index)
    are_several = len(found) > 1
    made = [
        Sequence(name, tuple(indices), out / _safe(name, indices[0]) if are_several else out)
        for name, indices in found.values()
    ]
    for sequence in made:
        sequence.folder.mkdir(exist_ok=True)
    return made


def views_of(store: Store, sequence: Sequence) -> Iterator[tuple[StoredItem, StoredView]]:
    """Yield the views of a sequence, item by item; each item is read when it is its turn."""
    for index in sequence.indices:
        item = store[index]
        for view in item.views:
            yield item, view


def picture_name(item: StoredItem, view: StoredView) -> str:
    """Return a name, without suffix, for a picture: names are unique and sort by item."""
    return f"{item.index:06d}_{view.name}"


def _safe(name: str, first: int) -> str:
    """Return a folder's name; by its number it is unique, and none that a file system keeps for itself."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", name)[-_LONGEST:].strip("_")
    return f"{first:06d}-{plain}".rstrip("-")
