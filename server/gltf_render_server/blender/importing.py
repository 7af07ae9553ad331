"""Blender's glTF importer: a document in, its meshes out, and nothing else left behind."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import bmesh
import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..gltf import Detail, import_document
from ..scene import Primitive, Scene
from . import compat

__all__ = ["Imported", "Importer", "Part", "remove_unused"]

_logger = logging.getLogger(__name__)
logging.getLogger("glTFImporter").addFilter(lambda record: record.levelno >= logging.WARNING)

_SMOOTH_BELOW_RAD = math.radians(30)
_WELD_DISTANCE = 1e-6  # of the mesh's size

_FROM_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
"""Undoes what the importer does to every coordinate: glTF says that y is up, Blender says z."""

_SHARED = (bpy.types.Material, bpy.types.Image, bpy.types.NodeTree)

_Data = TypeVar("_Data", bpy.types.Mesh, bpy.types.Light)


@dataclass(frozen=True)
class Part(Generic[_Data]):
    """Something that can be placed any number of times.

    Attributes
    ----------
    data : bpy.types.Mesh or bpy.types.Light
        May be shared by any number of objects.
    local : (4, 4) float64
        From the data's axes to those of the primitive or light in the client's file.
    """

    data: _Data
    local: NDArray[np.float64]


@dataclass(frozen=True)
class Imported:
    """What an import brought; it is the caller's to remove.

    Attributes
    ----------
    meshes : dict of int to Part
        By index into ``scene.primitives``.
    shared : set of bpy.types.ID
        The materials and images that the meshes use; for `remove_unused`, once these are removed.
    """

    meshes: dict[int, Part[bpy.types.Mesh]]
    shared: set[bpy.types.ID]

    def remove(self) -> None:
        """Remove it all."""
        bpy.data.batch_remove([part.data for part in self.meshes.values()])
        remove_unused(self.shared)


class Importer:
    """Runs Blender's importer in a scene where it can disturb nothing.

    Parameters
    ----------
    workshop : bpy.types.Scene
    folder : Path
        For the file that the importer reads.
    """

    def __init__(self, workshop: bpy.types.Scene, folder: Path) -> None:
        self._workshop = workshop
        self._file = folder / "scene.gltf"

    def run(self, scene: Scene, primitives: Mapping[int, Detail]) -> Imported:
        """Import parts of a scene, and check what came of them.

        Parameters
        ----------
        scene : Scene
        primitives : mapping of int to Detail
            Indices into ``scene.primitives``.

        Raises
        ------
        SceneError
            Blender cannot import it; nothing of it is left.
        """
        try:
            return self._run(scene, primitives)
        except SceneError as error:
            if error.where:
                raise
            raise self._blamed(error, scene, primitives) from error

    def _blamed(self, error: SceneError, scene: Scene, primitives: Mapping[int, Detail]) -> SceneError:
        """Find what the importer fails with, by importing ever fewer parts of it."""
        parts = list(primitives)
        while len(parts) > 1:
            half = parts[: len(parts) // 2]
            try:
                imported = self._run(scene, {index: primitives[index] for index in half})
            except SceneError:
                parts = half
            else:
                imported.remove()
                parts = parts[len(parts) // 2 :]
        return SceneError(error.message, _place(scene, parts[0]))

    def _run(self, scene: Scene, primitives: Mapping[int, Detail]) -> Imported:
        document = import_document(scene, primitives)
        before = set(bpy.data.user_map())
        kept: set[bpy.types.ID] = set()
        try:
            self._import(document)
            _share_images(set(bpy.data.images) - before)
            found = _parts(self._workshop)
            meshes = {index: _mesh_part(found, index, scene.primitives[index]) for index in primitives}
            for index, part in meshes.items():
                if primitives[index] is not Detail.SHAPE and scene.primitives[index].is_smoothed:
                    _smooth(part.data)
            _check_images(part.data for part in meshes.values())
            kept = {part.data for part in meshes.values()}
        finally:
            shared = _clean_up(before, kept)
        return Imported(meshes, shared)

    def _import(self, document: bytes) -> None:
        try:
            self._file.write_bytes(document)
            _run_importer(self._file, self._workshop)
        finally:
            self._file.unlink(missing_ok=True)


def remove_unused(candidates: set[bpy.types.ID]) -> set[bpy.types.ID]:
    """Remove those of `candidates` that nothing uses, then what only they used; return what is left."""
    left = set(candidates)
    while unused := {item for item in left if not item.users}:
        left -= unused
        bpy.data.batch_remove(list(unused))
    return left


def _place(scene: Scene, index: int) -> str:
    """Say where in the document a primitive stands."""
    primitive = scene.primitives[index]
    material = "" if primitive.material is None else f" with $.materials[{primitive.material}]"
    return f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]{material}"


def _run_importer(path: Path, target: bpy.types.Scene) -> None:
    context = {
        "scene": target,
        "view_layer": target.view_layers[0],
        "collection": target.collection,
    }
    try:
        with compat.quiet(), bpy.context.temp_override(**context):
            bpy.ops.import_scene.gltf(
                filepath=str(path), import_select_created_objects=False, import_scene_extras=False
            )
    except RuntimeError as error:
        _logger.warning("Blender's glTF importer failed", exc_info=error)
        # its text is Python's, and may name files of this machine
        raise SceneError(
            "Blender's glTF importer failed on this document; the server's log has the details"
        ) from error


def _clean_up(before: set[bpy.types.ID], kept: set[bpy.types.ID]) -> set[bpy.types.ID]:
    """Remove what has come since `before` but for `kept` and what that uses, which is returned."""
    new = set(bpy.data.user_map()) - before - kept
    shared: set[bpy.types.ID] = {item for item in new if isinstance(item, _SHARED)}
    keys = {item for item in new if isinstance(item, bpy.types.Key)}  # each goes with its mesh
    bpy.data.batch_remove(list(new - shared - keys))
    return remove_unused(shared)


def _share_images(images: Iterable[Any]) -> None:
    """Let one image serve for all that the writer has written more than once, where all are used alike."""
    shared: dict[tuple[str, str, str], Any] = {}
    for image in sorted(images, key=lambda image: image.name):
        if image.source == "FILE":
            place, colours = image.name.partition(".")[0], image.colorspace_settings.name
            first = shared.setdefault((place, colours, image.alpha_mode), image)
            if image != first:
                image.user_remap(first)


def _parts(workshop: bpy.types.Scene) -> dict[int, Part[Any]]:
    return {
        item["grs_primitive"]: Part[Any](item.data, _FROM_Y_UP @ np.array(item.matrix_basis))
        for item in workshop.objects
        if "grs_primitive" in item
    }


def _mesh_part(found: Mapping[int, Part[Any]], index: int, primitive: Primitive) -> Part[bpy.types.Mesh]:
    """Return a primitive's part; the importer leaves out, or empty, what it cannot read."""
    part = found.get(index)
    if part is None or not part.data.vertices:
        where = f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]"
        raise SceneError("Blender cannot read the geometry of this primitive", where)
    return part


def _check_images(meshes: Iterable[bpy.types.Mesh]) -> None:
    """Check that Blender can decode what the materials show; the writer has named each by its place."""
    for material in {material for mesh in meshes for material in mesh.materials}:
        for node in material.node_tree.nodes if material and material.node_tree else ():
            image = getattr(node, "image", None)
            if image is not None and not image.channels:
                raise SceneError("Blender cannot decode this image", f"$.{image.name.partition('.')[0]}")


def _smooth(mesh: bpy.types.Mesh) -> None:
    """Shade round what is round: Drake's primitives come without normals and with split vertices."""
    welded = bmesh.new()
    try:
        welded.from_mesh(mesh)
        bmesh.ops.remove_doubles(welded, verts=list(welded.verts), dist=_WELD_DISTANCE * _size(mesh))
        welded.to_mesh(mesh)
    finally:
        welded.free()
    if mesh.polygons:  # Blender crashes on a mesh that has none, and welding may leave none
        mesh.shade_smooth()
        mesh.set_sharp_from_angle(angle=_SMOOTH_BELOW_RAD)


def _size(mesh: bpy.types.Mesh) -> float:
    """Return the longest side of the mesh's bounding box."""
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    return float(np.ptp(points.reshape(-1, 3), axis=0).max())
