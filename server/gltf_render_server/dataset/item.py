"""An item of a dataset, and the pure function that makes its files from what it shows."""

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
"""Returns the category of an object from its node's name and extras; None = it is background."""

Read = Callable[[Document], Asset]
"""Reads and checks a document; raises a SceneError if it cannot be rendered."""

Render = Callable[[Shot, Frame], Sequence[Arrays]]
"""Renders the arrays of each view, here or elsewhere; the frame is that of the shot."""

CATEGORY = "category"
"""Key in the extras of a node whose value is the object's category; an empty value = background."""
_ANYTHING = "object"


def categorise_by_name(name: str, extras: Extras) -> str | None:
    """Return the category in a node's extras, or else the node's name without its number.

    So "chair.003", "chair_3" and "chair" are all of the category "chair". An empty category in the extras
    means that the object is background.
    """
    if isinstance(category := extras.get(CATEGORY), str):
        return category or None
    return name.rstrip("0123456789").rstrip("._- ") or _ANYTHING


@dataclass(frozen=True, eq=False)
class Item:
    """An item that is to be made.

    Attributes
    ----------
    index, name, sequence, split
        See `records.ItemRecord`.
    shot : Shot
    cameras : tuple of str
        Name of the camera in the specification, for each view of the shot.
    categorise : callable
    assets : mapping of str to str
        See `records.ItemRecord`.
    asset_of : mapping of str to str
        For each object that is a whole file, the SHA-256 of the file by the name of the node.
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
    """An item with its files, as `Store.write` takes it."""

    record: ItemRecord
    files: Mapping[str, bytes]


def make_item(item: Item, asset: Asset, render: Render) -> MadeItem:
    """Render an item and encode its files.

    Parameters
    ----------
    item : Item
    asset : Asset
        The parsed document of the shot.
    render : callable

    Raises
    ------
    RequestError, SceneError
        The item cannot be rendered.
    RenderError
        The render failed; another attempt may succeed.
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
