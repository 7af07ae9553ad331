"""The JSON records of the store: `dataset.json`, `item.json` and those in `quarantine/`."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from ..frame import Lens, When
from ..passes import Pass

__all__ = [
    "FileRecord",
    "ItemRecord",
    "Manifest",
    "MomentRecord",
    "ObjectRecord",
    "PassRecord",
    "QuarantineRecord",
    "ViewRecord",
]


class PassRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Describes the arrays of a pass; see the row of that name in the table of passes."""

    name: str
    summary: str
    dtype: str
    unit: str

    @staticmethod
    def of(row: Pass) -> PassRecord:
        """Return the record for a row of the table of passes."""
        return PassRecord(row.name, row.summary, row.dtype, row.unit)


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Describes what all items of a dataset share.

    Attributes
    ----------
    specification : dict
        The specification as it was read, with all defaults.
    seed : int
    items : int
        Number of items in the specification, including those that cannot be made.
    categories : list of str
        Names of the categories in the specification, in the order of their numbers. All other categories
        follow them, sorted by name.
    up_axis : {"y", "z"}
        Which axis of the world points up.
    passes : list of PassRecord
    versions : dict of str to str
        Versions of this package, the back end, and its engine.
    source : str
        Digest of the names, in order, of what the source consists of.
    """

    specification: dict[str, Any]
    seed: int
    items: int
    categories: list[str]
    up_axis: Literal["y", "z"]
    passes: list[PassRecord]
    versions: dict[str, str]
    source: str
    layout: int = 1


class FileRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a view.

    Attributes
    ----------
    file : str
        Path of the file below the item's folder, with forward slashes.
    blake3 : str
        Digest of the file, in hexadecimal.
    dtype : str
        Data type of the array in the file; "json" = a table.
    count : int or None
        Number of images in a stack; None = the file is not a stack.
    """

    file: str
    blake3: str
    dtype: str
    count: int | None = None


class ViewRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A view of an item.

    Attributes
    ----------
    name : str
        Name of the view, unique in its item.
    camera : str
        The name of the camera in the specification.
    lens : Lens
    camera_to_world : list of 16 float
        Rigid, row by row, column vectors; the camera looks along -z with y up.
    files : dict of str to FileRecord
        Files of the view, by the names of their passes.
    """

    name: str
    camera: str
    lens: Lens
    camera_to_world: list[float]
    files: dict[str, FileRecord]


class ObjectRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An object in the scene of an item.

    Attributes
    ----------
    number : int
        Value of the object in the pass `instance`; numbers count from 1, without gaps.
    name : str
        Name of the node; may be empty.
    category : str or None
        None = the object is background and is not annotated.
    matrix : list of 16 float
        Object to world, row by row, column vectors.
    asset : str or None
        SHA-256 of the file if the object is the whole file; None = it is a part of the item's document.
    """

    number: int
    name: str
    category: str | None
    matrix: list[float]
    asset: str | None = None


class MomentRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Poses at another moment: `camera_to_world` of each view, and `matrix` of each object, in order."""

    time_s: float
    cameras: dict[str, list[float]]
    objects: list[list[float]]


class ItemRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An item.

    Attributes
    ----------
    index : int
    name : str
        Name of what the item shows, such as the path of an object's file below the source's folder.
    sequence : str
        Items of the same sequence show moments or views of one scene, in the order of their indices.
    split : str
        "train", or the name of another split.
    document : str
        SHA-256 of the glTF file that was rendered.
    assets : dict of str to str
        Paths of the source files, relative to the specification's folder, by their SHA-256.
    time_s : float
        Time of the document's animation.
    drawn : dict
        Values that were drawn or set for this item, such as its look, under the specification's keys.
    objects : list of ObjectRecord
    views : list of ViewRecord
    moments : dict of {"before", "after"} to MomentRecord
    """

    index: int
    name: str
    sequence: str
    split: str
    document: str
    assets: dict[str, str]
    time_s: float
    drawn: dict[str, Any]
    objects: list[ObjectRecord]
    views: list[ViewRecord]
    moments: dict[When, MomentRecord] = {}


class QuarantineRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Says why an item cannot be made.

    Attributes
    ----------
    index : int
    name : str
    kind : str
        Class of the error, such as "SceneError".
    reason : str
    """

    index: int
    name: str
    kind: str
    reason: str
