"""Runs Blender's glTF importer, returns the imported meshes, and removes everything else."""

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
_WELD_DISTANCE = 1e-6  # as a fraction of the mesh's size

_FROM_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
"""Reverts the importer's change of axes: y is up in glTF, z is up in Blender."""

_SHARED = (bpy.types.Material, bpy.types.Image, bpy.types.NodeTree)

_Data = TypeVar("_Data", bpy.types.Mesh, bpy.types.Light)


@dataclass(frozen=True)
class Part(Generic[_Data]):
    """A mesh or a light, which can be placed any number of times.

    Attributes
    ----------
    data : bpy.types.Mesh or bpy.types.Light
        The datablock, which any number of objects may share.
    local : (4, 4) float64
        The matrix from the data's axes to those of the primitive or light in the client's file.
    """

    data: _Data
    local: NDArray[np.float64]


@dataclass(frozen=True)
class Imported:
    """The result of an import. The caller has to remove it.

    Attributes
    ----------
    meshes : dict of int to Part
        The meshes by index in ``scene.primitives``.
    shared : set of bpy.types.ID
        The materials and images that the meshes use. Pass them to `remove_unused` once the meshes are
        removed.
    """

    meshes: dict[int, Part[bpy.types.Mesh]]
    shared: set[bpy.types.ID]

    def remove(self) -> None:
        """Remove all imported data."""
        bpy.data.batch_remove([part.data for part in self.meshes.values()])
        remove_unused(self.shared)


class Importer:
    """Runs Blender's importer in a separate scene.

    Parameters
    ----------
    workshop : bpy.types.Scene
    folder : Path
        A folder for the file that the importer reads.
    """

    def __init__(self, workshop: bpy.types.Scene, folder: Path) -> None:
        self._workshop = workshop
        self._file = folder / "scene.gltf"

    def run(self, scene: Scene, primitives: Mapping[int, Detail]) -> Imported:
        """Import parts of a scene, and check the result.

        Parameters
        ----------
        scene : Scene
        primitives : mapping of int to Detail
            The detail of each primitive, by its index in ``scene.primitives``.

        Raises
        ------
        SceneError
            Blender cannot import the document. All imported data has been removed.
        """
        try:
            return self._run(scene, primitives)
        except SceneError as error:
            if error.where:
                raise
            raise self._blamed(error, scene, primitives) from error

    def _blamed(self, error: SceneError, scene: Scene, primitives: Mapping[int, Detail]) -> SceneError:
        """Find the part that makes the importer fail, by importing smaller and smaller parts."""
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
    """Remove unused datablocks of `candidates`, and then what only they used. Return the rest."""
    left = set(candidates)
    while unused := {item for item in left if not item.users}:
        left -= unused
        bpy.data.batch_remove(list(unused))
    return left


def _place(scene: Scene, index: int) -> str:
    """Return the location of a primitive in the document."""
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
        # omits the exception's text, which may name files of this machine
        raise SceneError(
            "Blender's glTF importer failed on this document; the server's log has the details"
        ) from error


def _clean_up(before: set[bpy.types.ID], kept: set[bpy.types.ID]) -> set[bpy.types.ID]:
    """Remove the datablocks added since `before`, except `kept` and what that uses; return the latter."""
    new = set(bpy.data.user_map()) - before - kept
    shared: set[bpy.types.ID] = {item for item in new if isinstance(item, _SHARED)}
    keys = {item for item in new if isinstance(item, bpy.types.Key)}  # each is removed with its mesh
    bpy.data.batch_remove(list(new - shared - keys))
    return remove_unused(shared)


def _share_images(images: Iterable[Any]) -> None:
    """Merge duplicate images of the writer, if all are used in the same way."""
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
    """Return the part of a primitive. The importer omits, or leaves empty, what it cannot read."""
    part = found.get(index)
    if part is None or not part.data.vertices:
        where = f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]"
        raise SceneError("Blender cannot read the geometry of this primitive", where)
    return part


def _check_images(meshes: Iterable[bpy.types.Mesh]) -> None:
    """Check that Blender can decode the images of the materials. The writer named them by location."""
    for material in {material for mesh in meshes for material in mesh.materials}:
        for node in material.node_tree.nodes if material and material.node_tree else ():
            image = getattr(node, "image", None)
            if image is not None and not image.channels:
                raise SceneError("Blender cannot decode this image", f"$.{image.name.partition('.')[0]}")


def _smooth(mesh: bpy.types.Mesh) -> None:
    """Shade smoothly where that is appropriate: Drake's primitives have split vertices and no normals."""
    welded = bmesh.new()
    try:
        welded.from_mesh(mesh)
        bmesh.ops.remove_doubles(welded, verts=list(welded.verts), dist=_WELD_DISTANCE * _size(mesh))
        welded.to_mesh(mesh)
    finally:
        welded.free()
    if mesh.polygons:  # Blender crashes on a mesh without faces, and welding may remove all of them
        mesh.shade_smooth()
        mesh.set_sharp_from_angle(angle=_SMOOTH_BELOW_RAD)


def _size(mesh: bpy.types.Mesh) -> float:
    """Return the longest side of the mesh's bounding box."""
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    return float(np.ptp(points.reshape(-1, 3), axis=0).max())
