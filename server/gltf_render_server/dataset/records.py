"""What the store tells of a dataset and of its items, as JSON: `dataset.json`, `item.json` and quarantine."""

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
    """What the arrays of a pass tell; see the row of that name in the table of passes."""

    name: str
    summary: str
    dtype: str
    unit: str

    @staticmethod
    def of(row: Pass) -> PassRecord:
        """Return what the store keeps of a row of the table of passes."""
        return PassRecord(row.name, row.summary, row.dtype, row.unit)


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What all items share.

    Attributes
    ----------
    specification : dict
        As it was read, with all defaults.
    seed : int
    items : int
        How many the specification names, those that cannot be made included.
    categories : list of str
        The names of the categories that are known in advance, in the order of their numbers; others follow,
        sorted.
    up_axis : {"y", "z"}
        Which axis of the world points up.
    passes : list of PassRecord
    versions : dict of str to str
        Of what made it: this package, the back end, and its engine.
    source : str
        Digest of what the source names, in order.
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
        Its path below the item's folder, with forward slashes.
    blake3 : str
        Digest of its bytes, in hexadecimal.
    dtype : str
        Of the array that it holds; "json" = a table.
    count : int or None
        The number of images of a stack; None = it is no stack.
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
        Unique in the item.
    camera : str
        The name of the camera in the specification.
    lens : Lens
    camera_to_world : list of 16 float
        Rigid, row by row, column vectors; the camera looks along -z with y up.
    files : dict of str to FileRecord
        By the names of the passes.
    """

    name: str
    camera: str
    lens: Lens
    camera_to_world: list[float]
    files: dict[str, FileRecord]


class ObjectRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An object of an item's scene, by the number that the pass `instance` has for it.

    Attributes
    ----------
    number : int
        From 1 on, without gaps.
    name : str
        Of the node; may be empty.
    category : str or None
        None = it is background, and annotated nowhere.
    matrix : list of 16 float
        Object to world, row by row, column vectors.
    asset : str or None
        SHA-256 of the file that the object is all of; None = it is a part of the item's document.
    """

    number: int
    name: str
    category: str | None
    matrix: list[float]
    asset: str | None = None


class MomentRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How things stand at another moment: `camera_to_world` by view, and `matrix` by object, in order."""

    time_s: float
    cameras: dict[str, list[float]]
    objects: list[list[float]]


class ItemRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An item.

    Attributes
    ----------
    index : int
    name : str
        What it is of, such as the path of an object's file below the source's folder.
    sequence : str
        Items of one sequence are moments, or views, of one scene; in the order of their indices.
    split : str
        "train", or the name of another split.
    document : str
        SHA-256 of the glTF file that was rendered.
    assets : dict of str to str
        Paths of the files that it is made of, as the specification's folder sees them, by their SHA-256.
    time_s : float
        When the document's animation is shown.
    drawn : dict
        What was drawn by chance or set for this item, such as its look, in words of the specification.
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
    """Why an item cannot be made.

    Attributes
    ----------
    index : int
    name : str
    kind : str
        The error's class, such as "SceneError".
    reason : str
    """

    index: int
    name: str
    kind: str
    reason: str
