"""The client's scene: glTF in, Blender data out, and gone again without a trace."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bmesh
import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..errors import SceneError
from ..gltf import Primitive, Scene, import_document
from ..settings import UpAxis
from . import compat
from .base import BaseScene

__all__ = ["ClientScene", "import_gltf", "mesh_of"]

_logger = logging.getLogger(__name__)
logging.getLogger("glTFImporter").addFilter(lambda record: record.levelno >= logging.WARNING)

_SMOOTH_BELOW_RAD = math.radians(30)
_WELD_DISTANCE = 1e-6  # of the mesh's size

_ORIGIN_STEP_M = 16.0

_Y_UP_TO_Z_UP = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
"""What the importer does to every coordinate: glTF says that y is up, Blender says z."""


class ClientScene:
    """A client's objects in Blender, as long as one request needs them.

    Parameters
    ----------
    base : BaseScene
    up_axis : {"z", "y"}
        Which axis points up in the client's files.
    folder : Path
        For the file that the importer reads.
    """

    def __init__(self, base: BaseScene, up_axis: UpAxis, folder: Path) -> None:
        self._base = base
        self._axes = np.eye(4) if up_axis == "z" else _Y_UP_TO_Z_UP
        self._file = folder / "scene.gltf"

    def place_camera(self, scene: Scene) -> None:
        """Give Blender's camera the pose of the client's; both look along -z with y up."""
        _set_world_matrix(self._base.camera, self._to_blender(scene) @ scene.camera_to_world)

    @contextmanager
    def imported(
        self, scene: Scene, target: bpy.types.Scene, *, materials: bool, lights: bool
    ) -> Iterator[list[list[bpy.types.Object]]]:
        """Let `scene` join `target` for the length of a ``with`` block.

        Parameters
        ----------
        scene : Scene
        target : bpy.types.Scene
        materials : bool
            Whether to load materials and textures; without them, only the geometry comes.
        lights : bool
            Whether to load the scene's lights.

        Yields
        ------
        list of list of bpy.types.Object
            The objects of each of ``scene.primitives``.

        Raises
        ------
        SceneError
            Blender's importer refuses the scene.
        """
        before = set(bpy.data.user_map())
        try:
            yield self._build(scene, target, materials=materials, lights=lights)
        finally:
            bpy.data.batch_remove(list(set(bpy.data.user_map()) - before))

    def _build(
        self, scene: Scene, target: bpy.types.Scene, *, materials: bool, lights: bool
    ) -> list[list[bpy.types.Object]]:
        collection = bpy.data.collections.new("glTF Client")
        target.collection.children.link(collection)
        parts = self._import(scene, materials=materials, lights=lights)
        for index, primitive in enumerate(scene.primitives):
            mesh = _imported_mesh(parts, index, primitive)
            if materials and not primitive.has_normals:
                _smooth(mesh)
        _check_images({slot.material for part in parts.values() for slot in part.material_slots})
        root = bpy.data.objects.new("glTF Client", None)
        collection.objects.link(root)
        objects: list[list[bpy.types.Object]] = [[] for _ in scene.primitives]
        to_blender = self._to_blender(scene)
        for placement in scene.placements:
            part = parts["grs_primitive", placement.primitive]
            placed = _place(part, to_blender @ placement.matrix, root, collection)
            objects[placement.primitive].append(placed)
        for index, light in enumerate(scene.lights if lights else ()):
            if part := parts.get(("grs_light", index)):
                _place(part, to_blender @ light.matrix, root, collection)
        return objects

    def _to_blender(self, scene: Scene) -> NDArray[np.float64]:
        """Return the transform from the client's world to Blender's.

        Blender keeps positions in float32, so far from the origin depth would lose its exactness. Where
        nothing of the user's stands in the way, the world is moved so that the camera is near the origin,
        by whole steps: near the origin nothing moves.
        """
        to_blender = self._axes.copy()
        if self._base.is_empty:
            camera = self._axes @ scene.camera_to_world
            to_blender[:3, 3] = -_ORIGIN_STEP_M * np.round(camera[:3, 3] / _ORIGIN_STEP_M)
        return to_blender

    def _import(
        self, scene: Scene, *, materials: bool, lights: bool
    ) -> dict[tuple[str, int], bpy.types.Object]:
        """Import every part once, at the origin, into a scene of its own."""
        everything = range(len(scene.primitives))
        document = import_document(scene, everything, materials=materials, lights=lights)
        try:
            self._file.write_bytes(document)
            import_gltf(self._file, self._base.workshop)
        finally:
            self._file.unlink(missing_ok=True)
        return _parts(self._base.workshop)


def import_gltf(path: Path, target: bpy.types.Scene) -> None:
    """Run Blender's importer.

    Raises
    ------
    SceneError
        It refuses the file.
    """
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
        _logger.warning("the importer failed", exc_info=error)
        raise SceneError(f"Blender cannot import it: {_reason(error)}") from error


def _place(
    part: bpy.types.Object,
    world: NDArray[np.float64],
    root: bpy.types.Object,
    collection: bpy.types.Collection,
) -> bpy.types.Object:
    """Make an object that shares the part's data; `world` is for glTF's axes, the importer turned them."""
    placed = bpy.data.objects.new(part.name, part.data)
    placed.parent = root
    _set_world_matrix(placed, world @ _Y_UP_TO_Z_UP.T @ np.array(part.matrix_basis))
    collection.objects.link(placed)
    return placed


def _set_world_matrix(item: bpy.types.Object, matrix: NDArray[np.float64]) -> None:
    """Place an object whose parent stands at the origin, with a matrix of any kind.

    A parent's inverse is taken as it is. Location, rotation and scale cannot hold the shear of a rotation
    below a scale that is not uniform, and turning a camera's matrix into them and back costs ten times the
    precision of depth on a floor seen at a grazing angle.
    """
    item.matrix_parent_inverse = Matrix(matrix.tolist())


def mesh_of(item: bpy.types.Object) -> bpy.types.Mesh:
    """Return the mesh of a mesh object."""
    if not isinstance(item.data, bpy.types.Mesh):
        raise TypeError(f"{item.name} is no mesh but {item.type}")
    return item.data


def _parts(workshop: bpy.types.Scene) -> dict[tuple[str, int], bpy.types.Object]:
    return {
        (key, item[key]): item
        for item in workshop.objects
        for key in ("grs_primitive", "grs_light")
        if key in item
    }


def _imported_mesh(
    parts: dict[tuple[str, int], bpy.types.Object], index: int, primitive: Primitive
) -> bpy.types.Mesh:
    """Return a primitive's mesh; the importer leaves out, or empty, what it cannot decode."""
    part = parts.get(("grs_primitive", index))
    if part is None or not _is_decoded(mesh_of(part), primitive):
        where = f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]"
        raise SceneError("Blender cannot decode its geometry", where)
    return mesh_of(part)


def _check_images(materials: set[bpy.types.Material | None]) -> None:
    """Check that Blender can decode what the materials show; the writer has named each by its place."""
    for material in materials:
        for node in material.node_tree.nodes if material and material.node_tree else ():
            image = getattr(node, "image", None)
            if image is not None and not image.channels:
                raise SceneError("Blender cannot decode this image", f"$.{image.name.partition('.')[0]}")


def _is_decoded(mesh: bpy.types.Mesh, primitive: Primitive) -> bool:
    """Whether a mesh has vertices; a Draco stream that fails leaves all of them at the origin."""
    return bool(mesh.vertices) and not (primitive.is_compressed and _size(mesh) == 0)


def _smooth(mesh: bpy.types.Mesh) -> None:
    """Shade round what is round: the client's primitives come without normals and with split vertices."""
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


def _reason(error: RuntimeError) -> str:
    """Return the reason without the traceback that an operator's error carries."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("Location:", "Error: Python: Traceback"))]
    return (reasons or lines or ["no reason given"])[-1].removeprefix("Error: ")
