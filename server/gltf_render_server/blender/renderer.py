"""BlenderRenderer: a checked request in, an array out, and Blender as it was before."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

import bpy

from ..camera import BlenderCamera, blender_camera
from ..errors import SettingsScriptError
from ..gltf import Scene, label_colours
from ..labels import NO_LABEL, LabelTable
from ..protocol import Camera, ImageType, RenderRequest
from ..renderer import Pixels, RenderedImage, RendererInfo
from ..settings import ServerSettings
from . import compat, engines
from .base import BaseScene
from .passes import render_colour, render_exact
from .scene import ClientScene, mesh_of

__all__ = ["BlenderRenderer"]

_logger = logging.getLogger(__name__)


class BlenderRenderer:
    """Renders with the Blender that this process is, or has as a module.

    Blender has one state, so make only one. It belongs to the thread that makes it.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    SettingsError
        The .blend, the device, the environment or another setting cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._base = BaseScene(settings)
        self.extensions = compat.importer_extensions()
        try:
            self._base.refresh()
        except SettingsScriptError as error:
            _logger.error("every render will fail until this is mended: %s", error)
        self.info = RendererInfo(
            name="Blender",
            version=bpy.app.version_string,
            engine=engines.engine_name(bpy.context.scene),
            device=engines.describe_device(),
        )
        prefix = f"gltf-render-server-{os.getpid()}-"
        self._folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_memory_folder()))
        self._client = ClientScene(self._base, settings.up_axis, self._folder)

    def render(self, request: RenderRequest) -> RenderedImage:
        """Render one request; see `Renderer.render`.

        Raises
        ------
        SettingsError
            The user's settings script failed, or the .blend is gone.
        """
        self._base.refresh()
        self._client.place_camera(request.scene)
        camera = blender_camera(request.camera)
        _set_camera(self._base.lens, camera, request.camera)
        if request.image_type is ImageType.COLOR:
            return self._render_colour(request, camera)
        return self._render_exact(request, camera)

    def close(self) -> None:
        """Remove the files of this renderer and of Blender's session."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if bpy.app.tempdir:
            shutil.rmtree(bpy.app.tempdir, ignore_errors=True)

    def _render_colour(self, request: RenderRequest, camera: BlenderCamera) -> RenderedImage:
        watch = _Stopwatch()
        colour = self._base.colour
        self._base.light(scene_brings_lights=bool(request.scene.lights))
        with self._client.imported(request.scene, colour, materials=True, lights=True):
            watch.lap("import")
            pixels = render_colour(colour, camera, self._folder)
            watch.lap("render")
        watch.lap("clean")
        return RenderedImage(_cropped(pixels, request.camera), watch.laps_ms)

    def _render_exact(self, request: RenderRequest, camera: BlenderCamera) -> RenderedImage:
        watch = _Stopwatch()
        is_label = request.image_type is ImageType.LABEL
        colours = label_colours(request.scene) if is_label else [NO_LABEL] * len(request.scene.primitives)
        table = LabelTable.from_colours(colours)
        if is_label:
            _tell_unlabelled(request.scene)
        exact = self._base.exact
        with self._client.imported(request.scene, exact, materials=False, lights=False) as objects:
            _mark(objects, table, self._base.flat)
            watch.lap("import")
            result = render_exact(exact, camera, self._folder)
            watch.lap("render")
        is_client = result.material_index == self._base.flat.pass_index
        pixels = table.paint(result.object_index, is_client) if is_label else result.depth
        watch.lap("clean")
        return RenderedImage(_cropped(pixels, request.camera), watch.laps_ms)


def _tell_unlabelled(scene: Scene) -> None:
    for primitive in scene.primitives:
        if primitive.material is None:
            _logger.warning(
                "scene: $.meshes[%d].primitives[%d]: has no material, so no label; it is painted white",
                primitive.mesh,
                primitive.number,
            )


class _Stopwatch:
    """Splits the time since it was made into named laps."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.laps_ms[name] = (now_s - self._last_s) * 1000
        self._last_s = now_s


def _memory_folder() -> str | None:
    """Return a folder that is kept in memory, where the system has one."""
    folder = "/dev/shm"  # noqa: S108  the folder made in it is private
    return folder if os.access(folder, os.W_OK) else None


def _set_camera(data: bpy.types.Camera, camera: BlenderCamera, asked: Camera) -> None:
    data.type = "PERSP"
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = camera.sensor_width_mm
    data.lens = camera.lens_mm
    data.shift_x = camera.shift_x
    data.shift_y = camera.shift_y
    data.clip_start = asked.near
    data.clip_end = asked.far


def _mark(objects: list[list[bpy.types.Object]], table: LabelTable, flat: bpy.types.Material) -> None:
    """Give each object its label's index, and all the material that tells them from the user's own."""
    for placed, index in zip(objects, table.indices, strict=True):
        for item in placed:
            item.hide_render = index is None
            item.pass_index = index or 0
        if placed:
            materials = mesh_of(placed[0]).materials  # shared by all of them
            materials.clear()
            materials.append(flat)


def _cropped(pixels: Pixels, asked: Camera) -> Pixels:
    """Cut the image out of the canvas; see `BlenderCamera`."""
    return pixels[: asked.height, : asked.width]
