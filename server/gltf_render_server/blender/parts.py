"""The client's meshes and lights in Blender, keyed by content, so that nothing is loaded twice."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, Protocol

import bpy
import numpy as np

from ..frame import Frame
from ..gltf import Detail, content_of, read_light
from ..scene import Digest, Scene, Surface, Triangles
from .cutouts import CutoutMaterials, give_alpha
from .importing import Importer, Part, remove_unused
from .lamps import make_light
from .rendering import TRIANGLES_A_ROW
from .tangents import give_tangents

__all__ = ["PartKey", "Parts", "Shapes", "Surfaces"]

PartKey = Hashable
"""The key of a part. Parts with equal keys are equal."""


class Parts(Protocol):
    """The loaded parts of one of Blender's scenes."""

    def __getitem__(self, key: PartKey) -> Part[Any]:
        """Return a loaded part. Raises KeyError if it is not loaded."""
        ...

    def keep_only(self, keys: Collection[PartKey]) -> None:
        """Remove all other parts. No object may use them any more."""
        ...


class Shapes:
    """Geometry without materials, but with holes, for depth and labels.

    Parameters
    ----------
    material : bpy.types.Material
        The material of all surfaces without holes.
    """

    def __init__(self, material: bpy.types.Material) -> None:
        self._material = material
        self._parts: dict[Digest, Part[bpy.types.Mesh]] = {}
        self._cutouts = CutoutMaterials()

    def __getitem__(self, key: Any) -> Part[Any]:
        return self._parts[key]

    def load(self, frame: Frame, primitives: Iterable[int]) -> None:
        """Load the parts that are not loaded yet.

        Parameters
        ----------
        frame : Frame
        primitives : iterable of int
            The indices, in ``frame.scene.primitives``, of everything to be shown.

        Raises
        ------
        SceneError
            The image of a surface with holes cannot be decoded.
        """
        keys = {frame.shapes[index]: index for index in primitives}
        missing = {key: index for key, index in keys.items() if key not in self._parts}
        for key, index in missing.items():
            self._parts[key] = self._part(frame, index)

    def _part(self, frame: Frame, index: int) -> Part[bpy.types.Mesh]:
        cutout = frame.cutout(index)
        material = self._material if cutout is None else self._cutouts.material(cutout)
        part = _built(frame.scene.asset.triangles(frame.scene.primitives[index]))
        part.data.materials.clear()
        part.data.materials.append(material)
        if cutout is not None:
            give_alpha(part.data, cutout)
        return part

    def keep_only(self, keys: Collection[PartKey]) -> None:
        """See `Parts.keep_only`."""
        _remove(self._parts, keys)
        self._cutouts.keep_used()


class Surfaces:
    """Geometry with materials, and lights, for colour.

    Parameters
    ----------
    importer : Importer
    """

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._meshes: dict[Surface, Part[bpy.types.Mesh]] = {}
        self._lights: dict[Digest, Part[bpy.types.Light]] = {}
        self._shared: set[bpy.types.ID] = set()

    def __getitem__(self, key: Any) -> Part[Any]:
        return self._meshes.get(key) or self._lights[key]

    def load(self, scene: Scene, primitives: Iterable[int]) -> None:
        """Load the parts that are not loaded yet.

        Parameters
        ----------
        scene : Scene
        primitives : iterable of int
            The indices, in ``scene.primitives``, of everything to be shown.

        Raises
        ------
        SceneError
            A part cannot be loaded. In this case, nothing has changed.
        """
        keys = {scene.surfaces[index]: index for index in primitives}
        missing = {key: index for key, index in keys.items() if key not in self._meshes}
        if missing:
            self._import(scene, missing)
        for placed, key in zip(scene.lights, scene.light_sources, strict=True):
            if key not in self._lights:
                self._lights[key] = make_light(read_light(content_of(scene), placed.light), scene.light_scale)

    def _import(self, scene: Scene, missing: Mapping[Surface, int]) -> None:
        meshes = {key.mesh: part for key, part in self._meshes.items()}
        materials = {key.material: _material(part) for key, part in self._meshes.items()}
        details = _details(missing, meshes.keys(), materials.keys())
        imported = self._importer.run(scene, details)
        for index, part in imported.meshes.items():
            meshes.setdefault(scene.surfaces[index].mesh, part)
            materials.setdefault(scene.surfaces[index].material, _material(part))
        for key in missing:
            self._meshes[key] = _with_material(meshes[key.mesh], materials[key.material])
        bpy.data.batch_remove([part.data for part in imported.meshes.values()])
        self._shared = remove_unused(self._shared | imported.shared)

    def keep_only(self, keys: Collection[PartKey]) -> None:
        """See `Parts.keep_only`."""
        _remove(self._meshes, keys)
        _remove(self._lights, keys)
        self.remove_unused()

    def remove_unused(self) -> None:
        """Remove the materials and images that are not used any more."""
        self._shared = remove_unused(self._shared)


def _remove(parts: dict[Any, Part[Any]], kept: Collection[PartKey]) -> None:
    gone = parts.keys() - set(kept)
    bpy.data.batch_remove([parts.pop(key).data for key in gone])


def _built(triangles: Triangles) -> Part[bpy.types.Mesh]:
    """Make a mesh from arrays. The importer takes ten times as long."""
    mesh = bpy.data.meshes.new("Shape")
    count = len(triangles.corners)
    mesh.vertices.add(len(triangles.vertices))
    mesh.vertices.foreach_set("co", triangles.vertices.reshape(-1))
    mesh.loops.add(3 * count)
    mesh.loops.foreach_set("vertex_index", triangles.corners.reshape(-1))
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    rows, columns = np.divmod(np.arange(count), TRIANGLES_A_ROW)
    numbers = np.repeat(np.stack([columns, rows], 1), 3, axis=0)
    mesh.uv_layers.new(name="Triangle").data.foreach_set("uv", numbers.astype(np.float32).reshape(-1))
    return Part(mesh, np.eye(4))


def _details(
    missing: Mapping[Surface, int], meshes: Collection[Digest], materials: Collection[Digest]
) -> dict[int, Detail]:
    """Choose what to import: each mesh and material that is not loaded yet, once."""
    known_meshes, known_materials = set(meshes), set(materials)
    details = {}
    for key, index in missing.items():
        if key.material not in known_materials:
            details[index] = Detail.SURFACE
        elif key.mesh not in known_meshes:
            details[index] = Detail.MESH
        known_meshes.add(key.mesh)
        known_materials.add(key.material)
    return details


def _material(part: Part[bpy.types.Mesh]) -> bpy.types.Material | None:
    materials = part.data.materials
    return materials[0] if materials else None


def _with_material(part: Part[bpy.types.Mesh], material: bpy.types.Material | None) -> Part[bpy.types.Mesh]:
    """Copy a part with another material. In Blender, copies of a mesh share its arrays."""
    mesh: Any = part.data.copy()
    mesh.materials.clear()
    if material is not None:
        mesh.materials.append(material)
    give_tangents(mesh)
    return Part(mesh, part.local)
