"""A twin of the colour scene, whose materials output their properties instead of being lit.

As in the exact scene, there is one sample through each pixel's centre.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import bpy
import numpy as np

from ..frame import ALPHA_THRESHOLD, Frame, View
from ..passes import MaterialValues
from ..scene import Digest, Scene, Surface
from ..stages import Stages
from . import engines
from .base import BaseScene, companion_scene, copy_visibility
from .colour import ColourRender
from .importing import Part
from .parts import PartKey, Surfaces
from .rendering import read_values, rendered_exact
from .scene import ClientScene, Layout
from .values import ALBEDO, EMISSION, SURFACE, unlit_twin

__all__ = ["MaterialRender"]

_Key = tuple[Surface, "float | None"]
_NOT_COPIED = {"CAMERA", "LIGHT", "LIGHT_PROBE", "SPEAKER"}


class MaterialRender:
    """Renders material passes, and keeps the last scene loaded.

    Parameters
    ----------
    base : BaseScene
    colour : ColourRender
        The colour render, which loads the client's surfaces.
    """

    def __init__(self, base: BaseScene, colour: ColourRender) -> None:
        self._base = base
        self._colour = colour
        self._target = _twin_scene(base, colour.scene)
        self._parts = _Twins(colour.parts)
        self.scene = ClientScene(self._target, self._parts)

    def views(self, frame: Frame, stages: Stages) -> Callable[[View], MaterialValues]:
        """Set up a frame's scene, and return a function that renders a view of it.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render the scene.
        """
        # otherwise the colour scene would keep other surfaces loaded than these
        self._colour.show(frame, stages)
        scene, placements = frame.scene, frame.scene.placements
        placed = placements.primitive.tolist()
        solid_from = self._parts.solid_from = frame.alpha_threshold
        self._parts.load(scene, placed)
        to_blender = self._base.from_client(frame)
        layout = Layout(tuple((scene.surfaces[index], solid_from) for index in placed))
        is_new = self.scene.show(layout, to_blender @ placements.matrix)
        stages.lap("import" if is_new else "update")

        def render(view: View) -> MaterialValues:
            camera = self._base.aim(view.lens, to_blender @ view.camera_to_world)
            stages.lap("update")
            passes = rendered_exact(self._target, camera)
            stages.lap("render")
            values = read_values(passes, np.s_[: view.lens.height, : view.lens.width])
            stages.lap("read")
            return values

        return render


class _Twins:
    """The parts of the colour scene, with materials that output their properties; see `Parts`.

    Attributes
    ----------
    solid_from : float or None
        The `Frame.alpha_threshold` of the loaded parts. The key of a part consists of its surface and this
        value.
    """

    def __init__(self, surfaces: Surfaces) -> None:
        self.solid_from: float | None = None
        self._surfaces = surfaces
        self._meshes: dict[_Key, Part[bpy.types.Mesh]] = {}
        self._materials: dict[tuple[Digest, float | None], bpy.types.Material] = {}

    def __getitem__(self, key: Any) -> Part[Any]:
        return self._meshes[key]

    def load(self, scene: Scene, primitives: Iterable[int]) -> None:
        """See `Parts.load`. The surfaces must have been loaded before."""
        surfaces = {scene.surfaces[index] for index in primitives}
        for surface in surfaces - {known for known, least in self._meshes if least == self.solid_from}:
            part = self._surfaces[surface]
            mesh: Any = part.data.copy()  # in Blender, both share the arrays
            if not mesh.materials:
                mesh.materials.append(None)
            for index, material in enumerate(mesh.materials):
                key = (surface.material, self.solid_from)
                if key not in self._materials:
                    self._materials[key] = unlit_twin(material, self.solid_from)
                mesh.materials[index] = self._materials[key]
            self._meshes[surface, self.solid_from] = Part(mesh, part.local)

    def keep_only(self, keys: Collection[PartKey]) -> None:
        """See `Parts.keep_only`."""
        gone = self._meshes.keys() - set(keys)
        bpy.data.batch_remove([self._meshes.pop(key).data for key in gone])
        unused = self._materials.keys() - {(surface.material, least) for surface, least in self._meshes}
        bpy.data.batch_remove([self._materials.pop(key) for key in unused])
        self._surfaces.remove_unused()


def _twin_scene(base: BaseScene, client: ClientScene) -> bpy.types.Scene:
    """Make a scene with twins of all of the user's objects in the colour scene."""
    colour = base.colour
    twin = companion_scene(colour, "Materials")
    engines.make_exact(twin)
    twin.cycles.transparent_max_bounces = 1024  # a ray ends at the first solid surface anyway
    layer = twin.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = False
    for name in (ALBEDO, SURFACE, EMISSION):
        layer.aovs.add().name = name
    twin.collection.objects.link(base.camera)
    twin.collection.objects.link(base.stand)
    twin.camera = base.camera
    own = {client.root, base.camera, base.stand}
    copier = _Copier()
    copier.fill(twin.collection, [item for item in colour.collection.objects if item not in own])
    user_layer = engines.rendered_view_layer(colour).layer_collection
    users = [child for child in user_layer.children if child.collection not in client.collections]
    for child in users:
        twin.collection.children.link(copier.collection(child.collection))
    copier.give_parents()
    copier.place_rigid_bodies()
    for child, copy in zip(users, layer.layer_collection.children, strict=True):
        copy_visibility(child, copy)
    return twin


class _Copier:
    """Copies objects, which share their data with the originals, and gives the copies other materials."""

    def __init__(self) -> None:
        self._objects: dict[bpy.types.Object, bpy.types.Object] = {}
        self._collections: dict[bpy.types.Collection, bpy.types.Collection] = {}
        self._materials: dict[bpy.types.Material, bpy.types.Material] = {}

    def collection(self, source: bpy.types.Collection) -> bpy.types.Collection:
        """Return the copy of a collection."""
        if source not in self._collections:
            copy = self._collections[source] = bpy.data.collections.new(source.name)
            copy.hide_render = source.hide_render
            copy.instance_offset = source.instance_offset
            self.fill(copy, source.objects)
            for child in source.children:
                copy.children.link(self.collection(child))
        return self._collections[source]

    def fill(self, target: bpy.types.Collection, objects: Iterable[bpy.types.Object]) -> None:
        """Link the copies of objects to a collection."""
        for item in objects:
            if item.type not in _NOT_COPIED:
                target.objects.link(self._object(item))

    def give_parents(self) -> None:
        """Parent copies to the copies of their parents, because an instancer shows only its own children."""
        for item, copy in self._objects.items():
            if item.parent in self._objects:
                copy.parent = self._objects[item.parent]

    def place_rigid_bodies(self) -> None:
        """Put copies where the simulation has put the originals, because it moves no copies."""
        for item, copy in self._objects.items():
            if item.rigid_body is not None:
                copy.animation_data_clear()
                copy.constraints.clear()
                copy.matrix_world = item.matrix_world

    def _object(self, source: bpy.types.Object) -> bpy.types.Object:
        if source not in self._objects:
            copy: Any = source.copy()
            for simulation in copy.users_collection:  # Blender adds the copy of a rigid body to its world
                simulation.objects.unlink(copy)
            self._objects[source] = copy
            for slot in copy.material_slots:
                material = slot.material
                if material is not None:
                    slot.link = "OBJECT"
                    slot.material = self._material(material)
            if source.instance_type == "COLLECTION" and source.instance_collection is not None:
                copy.instance_collection = self.collection(source.instance_collection)
        return self._objects[source]

    def _material(self, source: bpy.types.Material) -> bpy.types.Material:
        if source not in self._materials:
            self._materials[source] = unlit_twin(source, ALPHA_THRESHOLD)
        return self._materials[source]
