"""What the server itself brings: an empty scene or the user's own, with the settings applied.

Does not render. It is opened once, and again when what it was made from has changed.
"""

from __future__ import annotations

import logging
import os
import traceback
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsScriptError
from ..frame import Frame, Lens
from ..settings import ServerSettings
from . import compat, engines, lighting
from .lens import BlenderCamera, blender_camera
from .poses import client_to_blender, set_world_matrix
from .scene import ClientScene
from .sources import SceneSource

__all__ = ["BaseScene"]

_logger = logging.getLogger(__name__)

_LARGEST_PASS_INDEX = 32767


class BaseScene:
    """The scene that the client's objects join.

    Parameters
    ----------
    settings : ServerSettings
    source : SceneSource
        What it is made from.

    Attributes
    ----------
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
    free_pass_indices : list of int
        Those that no object of the user's has.

    Raises
    ------
    SettingsError
        The .blend cannot be opened.
    """

    colour: bpy.types.Scene
    exact: bpy.types.Scene
    workshop: bpy.types.Scene
    camera: bpy.types.Object
    lens: bpy.types.Camera
    stand: bpy.types.Object
    is_empty: bool
    flat: bpy.types.Material
    free_pass_indices: list[int]

    def __init__(self, settings: ServerSettings, source: SceneSource) -> None:
        self._settings = settings
        self._source = source
        self._made_from: object = None
        self._open()

    def refresh(self) -> bool:
        """Open again if the .blend or the settings script has changed.

        Returns
        -------
        bool
            Whether it was; then nothing that was added to the scene is there any more.

        Raises
        ------
        SettingsError
            The .blend cannot be opened, or the script fails (`SettingsScriptError`); the next call tries
            again.
        """
        stamp = self._source.stamp()
        if stamp == self._made_from:
            return False
        self._made_from = None  # until all of it is there
        if not self._is_untouched:
            self._open()
        self._is_untouched = False
        _run_script(self._settings.bpy_settings_file)
        self._prepare()
        self._made_from = stamp
        return True

    def light(self, frame: Frame) -> None:
        """Choose the world of the colour picture for a client's scene with or without lights of its own."""
        wants_default = not (frame.scene.lights or self._brings_light)
        self.colour.cycles.use_light_tree = self._uses_light_tree and not wants_default  # for many lights
        if self._settings.environment is not None or wants_default:
            self.colour.world = self._environment
        else:
            self.colour.world = self._own_world

    def is_metered(self, frame: Frame) -> bool:
        """Whether the exposure of a picture is chosen for it: where all its light is the client's own."""
        return bool(frame.scene.lights) and not self._brings_light and self._settings.exposure is None

    def from_client(self, frame: Frame) -> NDArray[np.float64]:
        """Return the transform from a client's world to Blender's; see `client_to_blender`."""
        cameras = [view.camera_to_world for view in frame.views]
        up_axis = frame.look.up_axis or self._settings.up_axis
        return client_to_blender(cameras, up_axis, may_move=self.is_empty)

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

    def introduce(self, client: ClientScene) -> None:
        """Tell the source what stands in the scene; to be called before it is rendered."""
        self._source.introduce((*client.collections, client.root, self.camera, self.stand))

    def _open(self) -> None:
        self._source.open()
        engines.apply_settings(self._source.scene, self._settings, is_own=not self._source.has_user_scene)
        self._environment_file = lighting.find_environment(self._settings.environment)
        self._is_untouched = True

    def _prepare(self) -> None:
        """Add what the server needs beside the user's own, once all of the user's has run."""
        self.colour = self._source.scene
        self.is_empty = not self.colour.objects
        taken = {item.pass_index for item in bpy.data.objects}
        self.free_pass_indices = [index for index in range(1, _LARGEST_PASS_INDEX + 1) if index not in taken]
        self.lens = bpy.data.cameras.new("Render Camera")
        self.lens.type = "PERSP"
        self.lens.sensor_fit = "HORIZONTAL"
        self.camera = bpy.data.objects.new("Render Camera", self.lens)
        self.camera.parent = self.stand = bpy.data.objects.new("Render Camera Stand", None)
        self.flat = _flat_material()
        self.workshop = bpy.data.scenes.new("glTF Import")
        self.exact = _exact_scene(self.colour)
        for scene in (self.colour, self.exact):
            scene.collection.objects.link(self.camera)
            scene.collection.objects.link(self.stand)
            scene.camera = self.camera
        for marker in self.colour.timeline_markers:
            marker.camera = None  # it would take the camera's place at its frame
        self._own_world = self.colour.world
        self._brings_light = lighting.brings_light(self.colour)
        self._uses_light_tree = self.colour.cycles.use_light_tree
        self._environment = self._environment_file and lighting.make_environment(self._environment_file)


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
    exact = bpy.data.scenes.new("Exact")
    exact.frame_set(colour.frame_current, subframe=colour.frame_subframe)
    exact.render.use_simplify = colour.render.use_simplify
    exact.render.simplify_subdivision_render = colour.render.simplify_subdivision_render
    for child in colour.collection.children:
        exact.collection.children.link(child)
    for item in colour.collection.objects:
        exact.collection.objects.link(item)
    view_layer = engines.rendered_view_layer(colour)
    _copy_visibility(view_layer.layer_collection, exact.view_layers[0].layer_collection)
    engines.make_exact(exact)
    return exact


def _flat_material() -> bpy.types.Material:
    """Make the material that Cycles shades fastest and that every ray stops at."""
    flat = bpy.data.materials.new("Flat")
    tree = compat.node_tree(flat)
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Strength"].default_value = 0.0
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return flat


def _copy_visibility(source: bpy.types.LayerCollection, target: bpy.types.LayerCollection) -> None:
    """Copy which collections take part; that belongs to a view layer, not to the collections."""
    target.exclude = source.exclude
    target.indirect_only = source.indirect_only
    for child, twin in zip(source.children, target.children, strict=True):
        _copy_visibility(child, twin)
