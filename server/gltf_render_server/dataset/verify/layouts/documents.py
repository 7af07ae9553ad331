"""The glTF documents that a store's items show, if their files still exist, and their surfaces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import RenderServerError
from ....extras import brought_by
from ....frame import ALPHA_THRESHOLD, When
from ....gltf import Asset, read_asset
from ....scene import Scene
from ...records import ItemRecord
from ...store import asset_folders
from ..models import Models, Part, placed
from ..report import Report

__all__ = ["Documents"]

_EXTENSIONS = frozenset(
    {
        "EXT_texture_webp",
        "KHR_lights_punctual",
        "KHR_materials_anisotropy",
        "KHR_materials_clearcoat",
        "KHR_materials_emissive_strength",
        "KHR_materials_ior",
        "KHR_materials_iridescence",
        "KHR_materials_sheen",
        "KHR_materials_specular",
        "KHR_materials_transmission",
        "KHR_materials_unlit",
        "KHR_materials_volume",
        "KHR_mesh_quantization",
        "KHR_texture_basisu",
        "KHR_texture_transform",
    }
)
"""Required extensions that are supported here, or that do not affect where surfaces are."""

_MOST_TRIANGLES = 5_000_000

Floats = NDArray[np.float64]


class Documents:
    """Reads the documents of a store's items, and keeps the last one.

    Parameters
    ----------
    folder : Path
        The store's folder; `asset_folders` says where relative paths of assets are looked up.
    report : Report
        It receives notes on what cannot be checked.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder, self._report = folder, report
        self._key, self._asset = "", None
        self._placed: tuple[object, Models | None, dict[int, bool]] = (None, None, {})

    def of(self, record: ItemRecord) -> tuple[Models | None, Mapping[int, bool]]:
        """Return an item's surfaces, None if not available, and which objects bend, as far as known."""
        asset = self._read(record)
        if asset is None:
            return None, {}
        key = (
            record.document,
            record.time_s,
            [each.matrix for each in record.objects],
            {when: (moment.time_s, moment.objects) for when, moment in record.moments.items()},
        )
        if key != self._placed[0]:
            self._placed = (key, *self._place(asset, record))
        return self._placed[1], self._placed[2]

    def _read(self, record: ItemRecord) -> Asset | None:
        if record.document != self._key:
            self._key, self._asset = record.document, None
            try:
                data = self._find(record)
                self._asset = read_asset(data, extensions=_EXTENSIONS) if data is not None else None
                if data is None:
                    self._report.note(f"models: {_why_missing(record)}; all other checks were made")
            except (RenderServerError, OSError) as error:
                self._report.note(f"models: the glTF document of {record.name} cannot be read: {error}")
        return self._asset

    def _find(self, record: ItemRecord) -> bytes | None:
        """Read the asset file that has the document's digest, at the path that the item's record names."""
        recorded = record.assets.get(record.document)
        if not recorded:
            return None
        for path in (folder / recorded for folder in asset_folders(self._folder)):
            if path.is_file():
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == record.document:
                    return data
        return None

    def _place(self, asset: Asset, record: ItemRecord) -> tuple[Models | None, dict[int, bool]]:
        """Return a document's surfaces at the poses of an item's objects, and which objects bend."""
        try:
            scene = asset.scene(time_s=record.time_s)
            scenes: dict[When, Scene] = {
                when: asset.scene(time_s=moment.time_s) for when, moment in record.moments.items()
            }
            matrices = [_matrix(each.matrix) for each in record.objects]
            if len(scene.instances) != len(matrices):
                counts = f"has {len(scene.instances)} objects, and the item has {len(matrices)}"
                self._report.note(f"models: the glTF document of {record.name} {counts}")
                return None, {}
            bent = _bent(scene, scenes, record, matrices)
            return self._models(asset, scene, matrices, record), bent
        except (RenderServerError, np.linalg.LinAlgError) as error:
            self._report.note(f"models: the objects of {record.name} cannot be placed: {error}")
            return None, {}

    def _models(
        self, asset: Asset, scene: Scene, matrices: list[Floats], record: ItemRecord
    ) -> Models | None:
        parts, count = [], 0
        for index in range(len(scene.placements)):
            primitive = scene.primitives[scene.placements.primitive[index]]
            number = int(scene.placements.instance[index])
            own, recorded = scene.instances.matrix[number], matrices[number]
            is_moved = not np.allclose(own, recorded, rtol=1e-9, atol=1e-9)
            if is_moved and (primitive.pose or _is_flat(own)):
                self._report.note(
                    f"models: {record.name} has objects that were moved, and are flat or posed by joints"
                )
                return None
            matrix = scene.placements.matrix[index]
            if is_moved:
                matrix = recorded @ np.linalg.inv(own) @ matrix
            triangles = asset.triangles(primitive)
            corners = triangles.vertices[triangles.corners].astype(float)
            count += len(corners)
            if count > _MOST_TRIANGLES:
                self._report.note(f"models: {record.name} has more than {_MOST_TRIANGLES:,} triangles")
                return None
            has_holes = asset.cutout(primitive, ALPHA_THRESHOLD) is not None
            parts.append(Part(number + 1, placed(corners, matrix), has_holes))
        if not count:
            return None
        try:
            return Models(parts)
        except ModuleNotFoundError as error:
            self._report.note(f"models: these checks need the package {error.name}; {brought_by('dataset')}")
            return None


def _why_missing(record: ItemRecord) -> str:
    if record.assets and record.document not in record.assets:
        return (
            "some items were rendered from a document that was composed of their files, or changed, and "
            "that is not kept"
        )
    return (
        f"the glTF document of {record.name} was not found: none of its asset files has the SHA-256 "
        f"{record.document[:12]}…"
    )


def _bent(
    scene: Scene, scenes: Mapping[When, Scene], record: ItemRecord, matrices: list[Floats]
) -> dict[int, bool]:
    """Return for each object whether its surface, in its own axes, may change between the moments."""
    bent = dict.fromkeys(range(1, len(matrices) + 1), False)
    placements = scene.placements
    for index, number in enumerate(placements.instance.tolist()):
        primitive = scene.primitives[placements.primitive[index]]
        for when, other in scenes.items():
            recorded = _matrix(record.moments[when].objects[number])
            is_posed = _is_posed(scene, number, matrices[number]) or _is_posed(other, number, recorded)
            theirs = other.primitives[other.placements.primitive[index]]
            is_bent = primitive.weights != theirs.weights or primitive.pose != b""
            is_bent |= is_posed and not _is_own(scene, index, number)
            if is_bent or not _same_inside(scene, other, index, number):
                bent[number + 1] = True
    return bent


def _is_own(scene: Scene, index: int, number: int) -> bool:
    """Whether a part of an object belongs to the object's own node, not to a descendant."""
    return np.allclose(scene.placements.matrix[index], scene.instances.matrix[number], rtol=1e-9, atol=1e-9)


def _is_posed(scene: Scene, number: int, recorded: Floats) -> bool:
    """Whether an object is moved against the document; then its parts may be moved, too."""
    return not np.allclose(scene.instances.matrix[number], recorded, rtol=1e-9, atol=1e-9)


def _same_inside(scene: Scene, other: Scene, index: int, number: int) -> bool:
    """Whether a part of an object has the same pose relative to the object in both scenes."""
    if _is_flat(scene.instances.matrix[number]) or _is_flat(other.instances.matrix[number]):
        return False
    one, two = (
        np.linalg.inv(each.instances.matrix[number]) @ each.placements.matrix[index]
        for each in (scene, other)
    )
    return np.allclose(one, two, rtol=1e-6, atol=1e-9)


def _is_flat(matrix: Floats) -> bool:
    return bool(np.linalg.cond(matrix[:3, :3]) > 1e6)


def _matrix(numbers: list[float]) -> Floats:
    return np.array(numbers, float).reshape(4, 4)
