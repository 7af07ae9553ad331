"""The sequences of a store, for formats that describe whole scenes: each has a folder of its own."""

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
        The sequence in the items' records. An item without a sequence forms one by itself, with its own name.
    indices : tuple of int
        The sorted indices of the items.
    folder : Path
        The folder of the sequence's files. It exists.
    """

    name: str
    indices: tuple[int, ...]
    folder: Path


def sequences(store: Store, out: Path) -> list[Sequence]:
    """Return the sequences of a store, in the order of their first items, and create their folders.

    Parameters
    ----------
    store : Store
    out : Path
        The folder of the sequence if there is only one. Otherwise, each sequence has a subfolder, named by
        the index of its first item and the safe characters of its name: ``000012-chair_glb``.

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
    """Yield the views of a sequence, item by item. Each item is read when the loop reaches it."""
    for index in sequence.indices:
        item = store[index]
        for view in item.views:
            yield item, view


def picture_name(item: StoredItem, view: StoredView) -> str:
    """Return a file name without suffix for an image. Names are unique, and sort in the order of items."""
    return f"{item.index:06d}_{view.name}"


def _safe(name: str, first: int) -> str:
    """Return the name of a folder. Its number makes it unique, and avoids names that are reserved."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", name)[-_LONGEST:].strip("_")
    return f"{first:06d}-{plain}".rstrip("-")
