"""What a source names: what an item is of, before anything is drawn by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...frame import When
from ..item import Read
from ..shot import Document, Shot

__all__ = ["Read", "Source", "Stance", "Subject"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stance:
    """How a subject stands at a moment.

    Attributes
    ----------
    numbers : range
        Of the cameras' poses from which it is seen.
    poses : mapping of str to (4, 4) float64
        World matrices of nodes, by their names.
    time_s : float
        When the document's animation is shown.
    """

    numbers: range
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    time_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Subject:
    """What an item is of.

    Attributes
    ----------
    name : str
        Of the item; see `records.ItemRecord`.
    sequence : str
        What all items of one scene share; the cameras' poses are drawn for it.
    document : Document
    stance : Stance
        From which of the cameras' poses the item is seen, and when.
    first : Stance
        How things stand when cameras are placed, the same for all items of a sequence.
    count : int or None
        How many poses a camera that moves has in this sequence, one for each item; None = as many as the
        specification says.
    moments : mapping of {"before", "after"} to Stance
        How things stand then, where the source knows it.
    assets, asset_of
        See `item.Item`.
    drawn : mapping
        What the source drew by chance, in words of the specification.
    shot : Shot or None
        The whole of it, where the source decides on cameras as well.
    cameras : tuple of str
        Where there is a shot, the name of each view's camera.
    """

    name: str
    sequence: str
    document: Document
    stance: Stance
    first: Stance
    count: int | None = None
    moments: Mapping[When, Stance] = field(default_factory=dict)
    assets: Mapping[str, str] = field(default_factory=dict)
    asset_of: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, Any] = field(default_factory=dict)
    shot: Shot | None = None
    cameras: tuple[str, ...] = ()


class Source(Protocol):
    """Names what the items of a dataset are of."""

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def name(self, index: int) -> str:
        """Return the name of an item without reading it."""
        ...

    def digest(self) -> str:
        """Digest what is named, in order: a dataset is not gone on with where it differs.

        It takes names and sizes of many files, and the bytes of one: times differ from machine to machine,
        and to read all files before the first item is made would take long.
        """
        ...

    def subject(self, index: int, read: Read) -> Subject:
        """Return what an item is of.

        Raises
        ------
        RequestError, SceneError, DatasetError
            It cannot be rendered.
        """
        ...
