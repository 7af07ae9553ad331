"""The glTF documents that a store's items show, where these are to be had, and their surfaces."""

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
"""What a document may require that says nothing of where its surfaces are, or that is read here."""

_MOST_TRIANGLES = 5_000_000

Floats = NDArray[np.float64]


class Documents:
    """Reads the documents of a store's items; the last one is kept.

    Parameters
    ----------
    folder : Path
        That of the store; paths of assets are looked for below it, too.
    report : Report
        Is told what cannot be checked.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder, self._report = folder, report
        self._key, self._asset = "", None
        self._placed: tuple[object, Models | None, dict[int, bool]] = (None, None, {})

    def of(self, record: ItemRecord) -> tuple[Models | None, Mapping[int, bool]]:
        """Return an item's surfaces, None if they are not to be had, and which objects bend, where known."""
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
                    self._report.note(
                        f"models: the document of {record.name} is not to be had: no file of its assets has "
                        f"the digest {record.document[:12]}…; checks without models are made"
                    )
            except (RenderServerError, OSError) as error:
                self._report.note(f"models: the document of {record.name} cannot be read: {error}")
        return self._asset

    def _find(self, record: ItemRecord) -> bytes | None:
        """Read the file of the document's digest; what it is made of lies where the specification saw it."""
        told = record.assets.get(record.document)
        if not told:
            return None
        for path in (folder / told for folder in asset_folders(self._folder)):
            if path.is_file():
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == record.document:
                    return data
        return None

    def _place(self, asset: Asset, record: ItemRecord) -> tuple[Models | None, dict[int, bool]]:
        """Put a document's surfaces where an item's objects stand."""
        try:
            scene = asset.scene(time_s=record.time_s)
            scenes: dict[When, Scene] = {
                when: asset.scene(time_s=moment.time_s) for when, moment in record.moments.items()
            }
            matrices = [_matrix(each.matrix) for each in record.objects]
            if len(scene.instances) != len(matrices):
                told = f"{len(scene.instances)} objects, and the item {len(matrices)}"
                self._report.note(f"models: the document of {record.name} has {told}")
                return None, {}
            bent = _bent(scene, scenes, record, matrices)
            return self._models(asset, scene, matrices, record), bent
        except (RenderServerError, np.linalg.LinAlgError) as error:
            self._report.note(f"models: the document of {record.name} cannot be placed: {error}")
            return None, {}

    def _models(
        self, asset: Asset, scene: Scene, matrices: list[Floats], record: ItemRecord
    ) -> Models | None:
        parts, count = [], 0
        for index in range(len(scene.placements)):
            primitive = scene.primitives[scene.placements.primitive[index]]
            number = int(scene.placements.instance[index])
            own, told = scene.instances.matrix[number], matrices[number]
            is_moved = not np.allclose(own, told, rtol=1e-9, atol=1e-9)
            if is_moved and (primitive.pose or _is_flat(own)):
                self._report.note(f"models: {record.name} has objects that are posed by joints; not checked")
                return None
            matrix = scene.placements.matrix[index]
            if is_moved:
                matrix = told @ np.linalg.inv(own) @ matrix
            triangles = asset.triangles(primitive)
            corners = triangles.vertices[triangles.corners].astype(float)
            count += len(corners)
            if count > _MOST_TRIANGLES:
                self._report.note(f"models: {record.name} has more than {_MOST_TRIANGLES} triangles")
                return None
            has_holes = asset.cutout(primitive, ALPHA_THRESHOLD) is not None
            parts.append(Part(number + 1, placed(corners, matrix), has_holes))
        if not count:
            return None
        try:
            return Models(parts)
        except ModuleNotFoundError as error:
            self._report.note(
                f"models: checking against models needs the package {error.name}; {brought_by('dataset')}"
            )
            return None


def _bent(
    scene: Scene, scenes: Mapping[When, Scene], record: ItemRecord, matrices: list[Floats]
) -> dict[int, bool]:
    """Tell of each object whether its surface may change, in its own axes, between the moments."""
    bent = dict.fromkeys(range(1, len(matrices) + 1), False)
    placements = scene.placements
    for index, number in enumerate(placements.instance.tolist()):
        primitive = scene.primitives[placements.primitive[index]]
        for when, other in scenes.items():
            told = _matrix(record.moments[when].objects[number])
            is_posed = _is_posed(scene, number, matrices[number]) or _is_posed(other, number, told)
            theirs = other.primitives[other.placements.primitive[index]]
            is_bent = primitive.weights != theirs.weights or primitive.pose != b""
            is_bent |= is_posed and not _is_own(scene, index, number)
            if is_bent or not _same_inside(scene, other, index, number):
                bent[number + 1] = True
    return bent


def _is_own(scene: Scene, index: int, number: int) -> bool:
    """Whether a part of an object is of its own node, and not of one below."""
    return np.allclose(scene.placements.matrix[index], scene.instances.matrix[number], rtol=1e-9, atol=1e-9)


def _is_posed(scene: Scene, number: int, told: Floats) -> bool:
    """Whether an object stands elsewhere than the document says: then its parts may, too."""
    return not np.allclose(scene.instances.matrix[number], told, rtol=1e-9, atol=1e-9)


def _same_inside(scene: Scene, other: Scene, index: int, number: int) -> bool:
    """Whether a part of an object is at the same place of it in both scenes."""
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
