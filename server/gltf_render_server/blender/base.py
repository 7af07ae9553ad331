"""What the server itself brings: an empty scene or the user's own, with the settings applied.

Does not render.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
_SOLID = {"CURVE", "CURVES", "FONT", "META", "MESH", "POINTCLOUD", "SURFACE", "VOLUME"}


@dataclass(frozen=True, eq=False)
class OtherObjects:
    """The user's objects that have numbers.

    Attributes
    ----------
    names : tuple of str
    matrix : (k, 4, 4) float64
        Object to Blender's world.
    pass_indices : tuple of int
    """

    names: tuple[str, ...] = ()
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4, 4)))
    pass_indices: tuple[int, ...] = ()


NO_OTHERS = OtherObjects()


@dataclass(frozen=True, eq=False)
class BaseScene:
    """The scene that the client's objects join; see `open_base`.

    Attributes
    ----------
    source : SceneSource
        What it was made from.
    up_axis : {"z", "y"}
        Which axis of a file points up, unless the frame's look says.
    colour : bpy.types.Scene
        Renders colour; the user's own, where there is one.
    exact : bpy.types.Scene
        Renders depth and labels: the same objects, none of the settings.
    workshop : bpy.types.Scene
        Where the importer works, so that no unit scale, mode or selection of the user's can disturb it.
    camera, lens : bpy.types.Object, bpy.types.Camera
        The camera of all requests, and its data.
    stand : bpy.types.Object
        The camera's parent, at the origin; see `set_world_matrix`.
    is_empty : bool
        Whether there is nothing of the user's that the client's objects could stand beside.
    flat : bpy.types.Material
        What all of the client's objects are made of in the exact pass.
    others : OtherObjects
        The user's objects that have numbers.
    free_pass_indices : (k,) int
        Those that no object of the user's has.
    looks : Looks
        Lights and shows `colour`.
    own_layers : mapping of tuple of str to bool
        The collections of `exact` that are not the client's, by the names on the way to them, and whether
        rays from the camera pass through them.
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
        """Return the transform from a client's world to Blender's; see `client_to_blender`."""
        cameras = [view.camera_to_world for view in frame.views]
        return client_to_blender(cameras, frame.look.up_axis or self.up_axis, may_move=self.is_empty)

    def aim(self, lens: Lens, camera_to_world: NDArray[np.float64]) -> BlenderCamera:
        """Give Blender's camera intrinsics, clipping planes and a pose.

        Parameters
        ----------
        lens : Lens
        camera_to_world : (4, 4) float64
            In Blender's world; as the client's, the camera looks along -z with y up.

        Returns
        -------
        BlenderCamera
            What the render itself must be told of it.
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
        """Let rays of the exact render meet what is not the client's, or pass through all of it.

        Nothing of the user's changes for that, but what a view layer of the server's own shows of it.
        """
        for path, layer in _layers_below(self.exact.view_layers[0].layer_collection):
            if path in self.own_layers:
                is_indirect = self.own_layers[path] or not is_shown
                if layer.indirect_only != is_indirect:
                    layer.indirect_only = is_indirect

    def introduce(self, client: ClientScene) -> None:
        """Tell the source what stands in the scene; to be called before it is rendered."""
        self.source.introduce((*client.collections, client.root, self.camera, self.stand))


def open_base(settings: ServerSettings, source: SceneSource) -> BaseScene:
    """Open a source's scene, apply the settings, run the user's script, and add what the server needs.

    Nothing that was added to the last one is there any more.

    Raises
    ------
    SettingsError
        The .blend, or what another setting names, cannot be used.
    SettingsScriptError
        The script fails.
    """
    source.open()
    engines.apply_settings(source.scene, settings, is_own=not source.has_user_scene)
    environment = lighting.find_environment(settings.environment)
    _run_script(settings.bpy_settings_file)
    colour = source.scene
    is_empty = not colour.objects
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
        marker.camera = None  # it would take the camera's place at its frame
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
    """Give each object that can be seen in a scene a pass index of its own, in the order of their names."""
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
    """Make an empty scene that shows objects as they are in the colour scene: at its time, as simplified.

    It renders with as many threads.
    """
    scene = bpy.data.scenes.new(name)
    scene.frame_set(colour.frame_current, subframe=colour.frame_subframe)
    scene.render.use_simplify = colour.render.use_simplify
    scene.render.simplify_subdivision_render = colour.render.simplify_subdivision_render
    scene.render.threads_mode, scene.render.threads = colour.render.threads_mode, colour.render.threads
    return scene


def copy_visibility(source: bpy.types.LayerCollection, target: bpy.types.LayerCollection) -> None:
    """Copy which collections take part; that belongs to a view layer, not to the collections."""
    target.exclude = source.exclude
    target.indirect_only = source.indirect_only
    for child, twin in zip(source.children, target.children, strict=True):
        copy_visibility(child, twin)


def _camera() -> tuple[bpy.types.Object, bpy.types.Camera, bpy.types.Object]:
    """Make the camera, its data and its parent."""
    lens = bpy.data.cameras.new("Render Camera")
    lens.type = "PERSP"
    lens.sensor_fit = "HORIZONTAL"
    camera = bpy.data.objects.new("Render Camera", lens)
    camera.parent = stand = bpy.data.objects.new("Render Camera Stand", None)
    return camera, lens, stand


def _run_script(path: Path | None) -> None:
    """Run the user's script as a module of its own, with ``bpy`` in scope."""
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
        return ""  # its own text says where
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == os.fspath(path)]
    return f", line {lines[-1]}" if lines else ""


def _exact_scene(colour: bpy.types.Scene) -> bpy.types.Scene:
    """Make a scene with the same objects in the same view, for the exact pass."""
    exact = companion_scene(colour, "Exact")
    for child in colour.collection.children:
        exact.collection.children.link(child)
    view_layer = engines.rendered_view_layer(colour)
    copy_visibility(view_layer.layer_collection, exact.view_layers[0].layer_collection)
    others = bpy.data.collections.new("Exact")  # of a scene itself, a view layer cannot hide the objects
    exact.collection.children.link(others)
    for item in colour.collection.objects:
        others.objects.link(item)
    engines.make_exact(exact)
    return exact


def _layers_below(
    layer: bpy.types.LayerCollection, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], bpy.types.LayerCollection]]:
    """Yield what is below a collection of a view layer, with the names on the way to it."""
    for child in layer.children:
        below = (*path, child.name)
        yield below, child
        yield from _layers_below(child, below)


def _flat_material() -> bpy.types.Material:
    """Make the material that Cycles shades fastest and that every ray stops at.

    It scatters no light below its surface, but could. Of such a mesh, Cycles keeps the search tree when its
    object moves or is hidden. Of any other that only one object has, it moves all vertices to their places in
    the world, and builds one tree of all triangles of the scene, each time.
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
