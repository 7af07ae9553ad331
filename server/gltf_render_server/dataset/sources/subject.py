"""What a source provides for an item, before look and variation are drawn at random."""

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
    """The poses of a subject at a moment.

    Attributes
    ----------
    numbers : range
        Numbers of the camera poses from which the subject is seen.
    poses : mapping of str to (4, 4) float64
        World matrices of nodes, by their names.
    time_s : float
        Time of the document's animation.
    """

    numbers: range
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    time_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Subject:
    """What an item shows.

    Attributes
    ----------
    name : str
        Name of the item; see `records.ItemRecord`.
    sequence : str
        Name that all items of a scene share. Camera poses are drawn once for each sequence.
    document : Document
    stance : Stance
        The moment of the item, and the camera poses from which it is seen.
    first : Stance
        The stance for which cameras are placed; all items of a sequence share it.
    count : int or None
        Number of poses of a moving camera in this sequence, one for each item; None = as in the
        specification.
    moments : mapping of {"before", "after"} to Stance
        The stances at other moments, if the source knows them.
    assets, asset_of
        See `item.Item`.
    drawn : mapping
        Values that the source drew at random, under the specification's keys.
    shot : Shot or None
        The complete shot, if the source also chooses the cameras.
    cameras : tuple of str
        Name of each view's camera, if there is a shot.
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
    """Provides the subjects of the items of a dataset."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def name(self, index: int) -> str:
        """Return the name of an item without reading its files."""
        ...

    def digest(self) -> str:
        """Return a digest of the source files; a dataset is continued only if its digest is the same.

        A single file is digested by its content, and many files by their names and sizes. File times differ
        from machine to machine, and reading all files before the first item would take long.
        """
        ...

    def subject(self, index: int, read: Read) -> Subject:
        """Return what an item shows.

        Raises
        ------
        RequestError, SceneError, DatasetError
            The item cannot be rendered.
        """
        ...
