"""An item of a dataset, and how its files are made: a pure function from what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode import encode
from ..frame import Frame, When
from ..gltf import Asset
from ..passes import find_pass
from ..renderer import Arrays
from .records import FileRecord, ItemRecord, MomentRecord, ObjectRecord, ViewRecord
from .shot import Document, Shot
from .store import digest_of

__all__ = ["CATEGORY", "Item", "MadeItem", "Read", "Render", "categorise_by_name", "make_item"]

Extras = Mapping[str, str | int | float | bool]

Categorise = Callable[[str, Extras], str | None]
"""Tells the category of an object by its node's name and extras; None = it is background."""

Read = Callable[[Document], Asset]
"""Reads and checks a document; raises a SceneError where it cannot be rendered."""

Render = Callable[[Shot, Frame], Sequence[Arrays]]
"""Makes the arrays of each view, here or elsewhere; the shot and its frame say the same."""

CATEGORY = "category"
"""What in the extras of a node is an object's category; empty = it is background."""
_ANYTHING = "object"


def categorise_by_name(name: str, extras: Extras) -> str | None:
    """Take the category that a node's author wrote into its extras, or else its name without numbers.

    So "chair.003", "chair_3" and "chair" are all of the category "chair". An author's empty word says that
    it is background.
    """
    if isinstance(told := extras.get(CATEGORY), str):
        return told or None
    return name.rstrip("0123456789").rstrip("._- ") or _ANYTHING


@dataclass(frozen=True, eq=False)
class Item:
    """An item as it is to be made.

    Attributes
    ----------
    index, name, sequence, split
        See `records.ItemRecord`.
    shot : Shot
    cameras : tuple of str
        For each of the shot's views, the name of its camera in the specification.
    categorise : callable
    assets : mapping of str to str
        See `records.ItemRecord`.
    asset_of : mapping of str to str
        SHA-256 of the file that an object is all of, by its node's name.
    drawn : mapping
        See `records.ItemRecord`.
    """

    index: int
    name: str
    shot: Shot
    cameras: tuple[str, ...]
    sequence: str = ""
    split: str = "train"
    categorise: Categorise = categorise_by_name
    assets: Mapping[str, str] = field(default_factory=dict)
    asset_of: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MadeItem:
    """An item as the store takes it; see `Store.write`."""

    record: ItemRecord
    files: Mapping[str, bytes]


def make_item(item: Item, asset: Asset, render: Render) -> MadeItem:
    """Render an item and encode its files.

    Parameters
    ----------
    item : Item
    asset : Asset
        The shot's document, read.
    render : callable

    Raises
    ------
    RequestError, SceneError
        The item cannot be rendered.
    RenderError
        It was not rendered, though it might be at another time.
    """
    frame = item.shot.frame(asset)
    arrays = render(item.shot, frame)
    files: dict[str, bytes] = {}
    views = []
    for view, camera, passes in zip(frame.views, item.cameras, arrays, strict=True):
        records = {}
        for name in frame.passes:
            row = find_pass(name)
            data = encode(passes[name], row, frame.scene).data
            file = f"{view.name}/{name}.{row.storage(frame.scene)}"
            count = len(frame.scene.instances) if row.is_stack else None
            records[name] = FileRecord(file, digest_of(data), row.dtype_in(frame.scene), count)
            files[file] = data
        views.append(ViewRecord(view.name, camera, view.lens, _rows(view.camera_to_world), records))
    return MadeItem(_record(item, asset, frame, views), files)


def _record(item: Item, asset: Asset, frame: Frame, views: list[ViewRecord]) -> ItemRecord:
    instances = frame.scene.instances
    objects = []
    for index, node in enumerate(instances.node.tolist()):
        name = asset.node_name(node)
        category = item.categorise(name, asset.node_extras(node))
        matrix = _rows(instances.matrix[index])
        objects.append(ObjectRecord(index + 1, name, category, matrix, item.asset_of.get(name)))
    moments: dict[When, MomentRecord] = {
        when: MomentRecord(
            item.shot.moments[when].time_s,
            {view.name: _rows(camera) for view, camera in zip(frame.views, moment.cameras, strict=True)},
            [_rows(matrix) for matrix in moment.scene.instances.matrix],
        )
        for when, moment in frame.moments.items()
    }
    return ItemRecord(
        index=item.index,
        name=item.name,
        sequence=item.sequence,
        split=item.split,
        document=item.shot.document.sha256,
        assets=dict(item.assets),
        time_s=item.shot.time_s,
        drawn=dict(item.drawn),
        objects=objects,
        views=views,
        moments=moments,
    )


def _rows(matrix: NDArray[np.float64]) -> list[float]:
    return matrix.ravel().tolist()
