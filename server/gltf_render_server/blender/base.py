"""The base scene: the user's own or an empty one, with the server's settings applied.

This module does not render.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError, SettingsScriptError
from ..frame import Frame, Lens
from ..settings import ServerSettings
from . import compat, engines, lighting
from .lens import BlenderCamera, blender_camera
from .looks import Looks
from .poses import client_to_blender, set_world_matrix
from .scene import ClientScene
from .sources import SceneSource

__all__ = ["BaseScene", "companion_scene", "copy_visibility", "open_base"]

_logger = logging.getLogger(__name__)

_LARGEST_PASS_INDEX = 32767
_LAYER_OPTIONS = ("use_solid", "use_strand", "use_volumes")
"""The options of a view layer that choose what it shows."""
_SOLID = {"CURVE", "CURVES", "FONT", "META", "MESH", "POINTCLOUD", "SURFACE", "VOLUME"}


@dataclass(frozen=True, eq=False)
class OtherObjects:
    """The user's objects that are numbered.

    Attributes
    ----------
    names : tuple of str
    matrix : (k, 4, 4) float64
        Object-to-world matrices in Blender's world.
    pass_indices : tuple of int
    """

    names: tuple[str, ...] = ()
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4, 4)))
    pass_indices: tuple[int, ...] = ()


NO_OTHERS = OtherObjects()


@dataclass(frozen=True, eq=False)
class BaseScene:
    """The scene to which the client's objects are added; see `open_base`.

    Attributes
    ----------
    source : SceneSource
        The source from which it was made.
    up_axis : {"z", "y"}
        The axis of a file that points up, unless the frame's look sets it.
    colour : bpy.types.Scene
        The scene that renders colour; the user's own, if there is one.
    exact : bpy.types.Scene
        The scene that renders depth and labels. It has the same objects; see `companion_scene`.
    workshop : bpy.types.Scene
        A scene for the importer, where no unit scale, mode or selection of the user affects it.
    camera, lens : bpy.types.Object, bpy.types.Camera
        The camera of all requests, and its data.
    stand : bpy.types.Object
        The camera's parent, at the origin; see `set_world_matrix`.
    is_empty : bool
        Whether the user has no objects beside which the client's objects would stand.
    flat : bpy.types.Material
        The material of the client's objects in the exact pass.
    others : OtherObjects
        The user's objects that are numbered.
    free_pass_indices : (k,) int
        The pass indices that no object of the user has.
    looks : Looks
        Applies the lighting and display settings of a look to `colour`.
    own_layers : mapping of tuple of str to bool
        The collections of `exact` that do not belong to the client, by the names on their path, and whether
        camera rays pass through them.
    """

    source: SceneSource
    up_axis: str
    colour: bpy.types.Scene
    exact: bpy.types.Scene
    workshop: bpy.types.Scene
    camera: bpy.types.Object
    lens: bpy.types.Camera
    stand: bpy.types.Object
    is_empty: bool
    flat: bpy.types.Material
    others: OtherObjects
    free_pass_indices: NDArray[np.intp]
    looks: Looks
    own_layers: Mapping[tuple[str, ...], bool]

    def from_client(self, frame: Frame) -> NDArray[np.float64]:
        """Return the transform from the client's world to Blender's world; see `client_to_blender`."""
        cameras = [view.camera_to_world for view in frame.views]
        return client_to_blender(cameras, frame.look.up_axis or self.up_axis, may_move=self.is_empty)

    def aim(self, lens: Lens, camera_to_world: NDArray[np.float64]) -> BlenderCamera:
        """Set the intrinsics, clipping planes and pose of Blender's camera.

        Parameters
        ----------
        lens : Lens
        camera_to_world : (4, 4) float64
            The pose in Blender's world. The camera looks along -z with y up, as for the client.

        Returns
        -------
        BlenderCamera
            The remaining settings, which belong to the render.
        """
        camera = blender_camera(lens)
        self.lens.lens = camera.lens_mm
        self.lens.sensor_width = camera.sensor_width_mm
        self.lens.shift_x = camera.shift_x
        self.lens.shift_y = camera.shift_y
        self.lens.clip_start = lens.near
        self.lens.clip_end = lens.far
        set_world_matrix(self.camera, camera_to_world)
        return camera

    def show_own(self, *, is_shown: bool) -> None:
        """Choose whether rays of the exact render meet the user's objects or pass through them.

        This changes only the view layer of the server's own scene, and nothing of the user's.
        """
        for path, layer in _layers_below(self.exact.view_layers[0].layer_collection):
            if path in self.own_layers:
                is_indirect = self.own_layers[path] or not is_shown
                if layer.indirect_only != is_indirect:
                    layer.indirect_only = is_indirect
        background = self.colour.background_set if is_shown else None
        if self.exact.background_set != background:
            self.exact.background_set = background

    def introduce(self, client: ClientScene) -> None:
        """Report the client's collections and objects to the source, before rendering."""
        self.source.introduce((*client.collections, client.root, self.camera, self.stand))


def open_base(settings: ServerSettings, source: SceneSource) -> BaseScene:
    """Open the source's scene, apply the settings, run the user's script, and add the server's objects.

    What was added to the previous base scene is removed.

    Raises
    ------
    SettingsError
        The .blend, or a file in another setting, cannot be used.
    SettingsScriptError
        The user's script fails.
    """
    source.open()
    engines.apply_settings(source.scene, settings, is_own=not source.has_user_scene)
    environment = lighting.find_environment(settings.environment)
    _run_script(settings.bpy_settings_file)
    colour = source.scene
    is_empty = not colour.objects and colour.background_set is None
    others = _number(colour) if settings.number_blend_objects else NO_OTHERS
    taken = [item.pass_index for item in bpy.data.objects]
    camera, lens, stand = _camera()
    flat = _flat_material()
    workshop = bpy.data.scenes.new("glTF Import")
    exact = _exact_scene(colour)
    for scene in (colour, exact):
        scene.collection.objects.link(camera)
        scene.collection.objects.link(stand)
        scene.camera = camera
    for marker in colour.timeline_markers:
        marker.camera = None  # otherwise it would replace the camera at its frame
    return BaseScene(
        source=source,
        up_axis=settings.up_axis,
        colour=colour,
        exact=exact,
        workshop=workshop,
        camera=camera,
        lens=lens,
        stand=stand,
        is_empty=is_empty,
        flat=flat,
        others=others,
        free_pass_indices=np.setdiff1d(np.arange(1, _LARGEST_PASS_INDEX + 1), taken),
        looks=Looks(colour, settings, environment),
        own_layers={
            path: layer.indirect_only for path, layer in _layers_below(exact.view_layers[0].layer_collection)
        },
    )


def _number(scene: bpy.types.Scene) -> OtherObjects:
    """Give each visible object in a scene its own pass index, in the order of the objects' names."""
    shown = sorted((item for item in scene.objects if item.type in _SOLID), key=lambda item: item.name)
    most = _LARGEST_PASS_INDEX // 2
    if len(shown) > most:
        raise SettingsError(
            f"--number-blend-objects: the .blend has {len(shown)} objects; at most {most} can be numbered"
        )
    for number, item in enumerate(shown, 1):
        item.pass_index = number
    return OtherObjects(
        names=tuple(item.name for item in shown),
        matrix=np.array([item.matrix_world for item in shown]).reshape(-1, 4, 4),
        pass_indices=tuple(range(1, len(shown) + 1)),
    )


def companion_scene(colour: bpy.types.Scene, name: str) -> bpy.types.Scene:
    """Make an empty scene in which objects have the same shapes and places as in the colour scene.

    It is a copy, because much in a scene moves objects: the time and how it is stretched, simulations of
    rigid bodies, gravity, and custom properties that drivers read. All settings that only affect the picture
    have their default values.
    """
    scene: Any = colour.copy()
    scene.name = name
    scene.animation_data_clear()
    scene.timeline_markers.clear()
    scene.sequence_editor_clear()
    scene.world = None
    for item in list(scene.collection.objects):
        scene.collection.objects.unlink(item)
    for child in list(scene.collection.children):
        scene.collection.children.unlink(child)
    layer = scene.view_layers.new(name)
    for other in [other for other in scene.view_layers if other != layer]:
        scene.view_layers.remove(other)
    for option in _LAYER_OPTIONS:
        setattr(layer, option, getattr(engines.rendered_view_layer(colour), option))
    engines.reset_look(scene)
    return scene


def copy_visibility(source: bpy.types.LayerCollection, target: bpy.types.LayerCollection) -> None:
    """Copy which collections are visible. This is a property of the view layer, not of the collections."""
    target.exclude = source.exclude
    target.holdout = source.holdout
    target.indirect_only = source.indirect_only
    for child, twin in zip(source.children, target.children, strict=True):
        copy_visibility(child, twin)


def _camera() -> tuple[bpy.types.Object, bpy.types.Camera, bpy.types.Object]:
    """Create the camera, its data and its parent."""
    lens = bpy.data.cameras.new("Render Camera")
    lens.type = "PERSP"
    lens.sensor_fit = "HORIZONTAL"
    camera = bpy.data.objects.new("Render Camera", lens)
    camera.parent = stand = bpy.data.objects.new("Render Camera Stand", None)
    return camera, lens, stand


def _run_script(path: Path | None) -> None:
    """Run the user's script as a separate module, with ``bpy`` in scope."""
    if path is None:
        return
    try:
        code = compile(path.read_bytes(), os.fspath(path), "exec")
        exec(code, {"bpy": bpy, "__name__": "bpy_settings", "__file__": os.fspath(path)})  # noqa: S102
    except (Exception, SystemExit) as error:
        _logger.error("%s failed", path, exc_info=error)
        raise SettingsScriptError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""  # the error's own text contains the place
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == os.fspath(path)]
    return f", line {lines[-1]}" if lines else ""


def _exact_scene(colour: bpy.types.Scene) -> bpy.types.Scene:
    """Make a scene with the same objects in the same view layer, for the exact pass."""
    exact = companion_scene(colour, "Exact")
    for child in colour.collection.children:
        exact.collection.children.link(child)
    view_layer = engines.rendered_view_layer(colour)
    copy_visibility(view_layer.layer_collection, exact.view_layers[0].layer_collection)
    # a view layer cannot hide objects that are linked to the scene itself
    others = bpy.data.collections.new("Exact")
    exact.collection.children.link(others)
    for item in colour.collection.objects:
        others.objects.link(item)
    engines.make_exact(exact)
    return exact


def _layers_below(
    layer: bpy.types.LayerCollection, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], bpy.types.LayerCollection]]:
    """Yield the descendants of a collection in a view layer, with the names on their path."""
    for child in layer.children:
        below = (*path, child.name)
        yield below, child
        yield from _layers_below(child, below)


def _flat_material() -> bpy.types.Material:
    """Make the material that Cycles shades fastest and that stops every ray.

    It has a black subsurface scattering shader, which has no visible effect. For a mesh with such a shader,
    Cycles keeps the search tree when its object moves or is hidden. For any other mesh with only one object,
    Cycles transforms all vertices to the world and rebuilds a single tree of all the scene's triangles each
    time.
    """
    flat = bpy.data.materials.new("Flat")
    tree = compat.node_tree(flat)
    tree.nodes.clear()
    surface = tree.nodes.new("ShaderNodeAddShader")
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Strength"].default_value = 0.0
    tree.links.new(emission.outputs["Emission"], surface.inputs[0])
    scattering = tree.nodes.new("ShaderNodeSubsurfaceScattering")
    scattering.inputs["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
    tree.links.new(scattering.outputs["BSSRDF"], surface.inputs[1])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(surface.outputs["Shader"], output.inputs["Surface"])
    return flat
