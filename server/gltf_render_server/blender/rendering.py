"""Renders scenes and returns arrays: images through in-memory files, everything else through `results`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import bpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import RenderError
from ..metering import metered_stops
from ..passes import MaterialValues, Window
from . import compat
from .exr import Channels
from .lens import BlenderCamera
from .results import RenderedPasses, reading_passes
from .values import ALBEDO, EMISSION, SURFACE

__all__ = [
    "TRIANGLES_A_ROW",
    "ExactImages",
    "linear_colour",
    "metered_colour",
    "read_colour",
    "read_exact",
    "read_values",
    "rendered_colour",
    "rendered_exact",
    "set_canvas",
]

TRIANGLES_A_ROW = 2**12
"""A triangle's number is encoded in its texture coordinates as u + this * v, which float32 interpolates
exactly.
"""

_BEYOND_EVERYTHING_M = 1e9  # Blender writes 1e10 where a ray meets nothing
_EXACT_PASSES = {"Depth", compat.OBJECT_INDEX_PASS, "UV", "Normal", ALBEDO, SURFACE, EMISSION}


class ExactImages(NamedTuple):
    """The images of an exact render, each (resolution_y, resolution_x).

    Attributes
    ----------
    depth : float32
        Metres along the optical axis; inf = no surface.
    object_index : uint16
        The pass indices; 0 = no surface.
    triangle : int32 or None
        The numbers of `parts.Shapes`; None if they were not rendered.
    normals : (resolution_y, resolution_x, 3) float32 or None
        The normals in Blender's world; None if they were not rendered.
    """

    depth: NDArray[np.float32]
    object_index: NDArray[np.uint16]
    triangle: NDArray[np.int32] | None
    normals: NDArray[np.float32] | None

    def cropped(self, width: int, height: int) -> ExactImages:
        """Return the requested part of the canvas; see `BlenderCamera`."""
        window = np.s_[:height, :width]
        triangle = None if self.triangle is None else self.triangle[window]
        normals = None if self.normals is None else self.normals[window]
        return ExactImages(self.depth[window], self.object_index[window], triangle, normals)


@contextmanager
def rendered_colour(scene: bpy.types.Scene, camera: BlenderCamera, folder: Path) -> Iterator[Path]:
    """Render `scene` with its own settings into a file that exists during a ``with`` statement.

    Parameters
    ----------
    scene : bpy.types.Scene
    camera : BlenderCamera
        The parameters of the camera. The pose is that of the scene's camera object.
    folder : Path
        A folder for the file that Blender writes.

    Raises
    ------
    RenderError
        Rendering failed, or the file could not be read in the block.
    """
    _write_png(scene)
    with _rendered(scene, camera, folder / "colour.png") as path:
        yield path


@contextmanager
def metered_colour(scene: bpy.types.Scene, camera: BlenderCamera, folder: Path) -> Iterator[Path]:
    """Render like `rendered_colour`, with the metered exposure added to the scene's own."""
    _write_linear(scene)
    view, path = scene.view_settings, folder / "colour.png"
    own_exposure = view.exposure
    with _rendered(scene, camera, folder / "linear.exr") as linear:
        stops = metered_stops(_read_linear(linear)[..., :3] * np.float32(2**own_exposure))
        _write_png(scene)
        try:
            view.exposure = own_exposure + stops
            _save_last(scene, path)
            yield path
        finally:
            view.exposure = own_exposure
            path.unlink(missing_ok=True)


def linear_colour(scene: bpy.types.Scene, folder: Path) -> NDArray[np.float32]:
    """Return the last render as linear light, without exposure and view transform.

    Parameters
    ----------
    scene : bpy.types.Scene
        The scene that was rendered.
    folder : Path
        A folder for the file that Blender writes.

    Returns
    -------
    (resolution_y, resolution_x, 3 or 4) float32
        Linear Rec. 709. If the film is transparent, there is an alpha channel, and colours are premultiplied.
    """
    _write_linear(scene)
    path = folder / "last.exr"
    try:
        _save_last(scene, path)
        return _read_linear(path)
    finally:
        _remove(path)


def rendered_exact(
    scene: bpy.types.Scene, camera: BlenderCamera, window: Window | None = None
) -> RenderedPasses:
    """Render a scene that `engines.make_exact` has set up, and return the passes.

    If a window is given, only that part of the canvas is rendered, with the same rays as in the whole.

    Raises
    ------
    RenderError
        Rendering failed.
    """
    set_canvas(scene.render, camera, window)
    with _failures_raised(), reading_passes(scene, _EXACT_PASSES) as passes:
        _render(scene)
    if not passes:
        raise RenderError("Blender could not render: Cycles produced no passes")
    return passes


def read_colour(path: Path) -> NDArray[np.uint8]:
    """Return (resolution_y, resolution_x, 3 or 4) uint8, display-referred; 4 if the film is transparent."""
    with Image.open(path) as image:
        return np.asarray(image)


def read_values(passes: RenderedPasses, window: tuple[slice, slice]) -> MaterialValues:
    """Return the values in a window of the AOVs that `values.unlit_twin` writes."""
    surface = passes[SURFACE][window]
    is_known = surface[..., 2] > 0
    has_any = is_known & (surface[..., 0] >= 0)
    nothing = np.float32(np.nan)
    return MaterialValues(
        albedo=np.where(is_known[..., None], passes[ALBEDO][window][..., :3], nothing),
        roughness=np.where(has_any, surface[..., 0], nothing),
        metallic=np.where(has_any, surface[..., 1], nothing),
        emission=np.where(is_known[..., None], passes[EMISSION][window][..., :3], nothing),
    )


def read_exact(passes: RenderedPasses) -> ExactImages:
    """Return the images of an exact render."""
    z = passes["Depth"][..., 0]
    depth = np.where(z > _BEYOND_EVERYTHING_M, np.float32(np.inf), z)
    object_index = passes[compat.OBJECT_INDEX_PASS][..., 0].astype(np.uint16)
    triangle = None
    if "UV" in passes:
        low, high = (np.rint(passes["UV"][..., axis]).astype(np.int32) for axis in (0, 1))
        triangle = low + TRIANGLES_A_ROW * high
    return ExactImages(depth, object_index, triangle, passes.get("Normal"))


def set_canvas(render: bpy.types.RenderSettings, camera: BlenderCamera, window: Window | None = None) -> None:
    """Set the canvas and the window to be rendered, and disable settings that would change them."""
    render.resolution_x = camera.resolution_x
    render.resolution_y = camera.resolution_y
    render.resolution_percentage = 100
    render.pixel_aspect_x = camera.pixel_aspect_x
    render.pixel_aspect_y = camera.pixel_aspect_y
    render.use_border = render.use_crop_to_border = window is not None
    if window is not None:
        _set_border(render, window)
    render.use_multiview = False
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_file_extension = False


def _set_border(render: bpy.types.RenderSettings, window: Window) -> None:
    """Set the window to be rendered. Blender rounds its edges down, and counts rows from the bottom."""
    width, height = render.resolution_x, render.resolution_y
    render.border_min_x = (window.left + 0.5) / width
    render.border_max_x = (window.right + 0.5) / width
    render.border_min_y = (height - window.bottom + 0.5) / height
    render.border_max_y = (height - window.top + 0.5) / height


def _write_png(scene: bpy.types.Scene) -> None:
    image = scene.render.image_settings
    compat.set_image_format(image, "PNG")
    image.color_mode = "RGBA" if scene.render.film_transparent else "RGB"
    image.color_depth = "8"
    image.compression = 0
    image.color_management = "FOLLOW_SCENE"


def _write_linear(scene: bpy.types.Scene) -> None:
    image: Any = scene.render.image_settings
    compat.set_image_format(image, "OPEN_EXR")
    image.color_mode = "RGBA" if scene.render.film_transparent else "RGB"
    image.color_depth = "32"
    image.exr_codec = "NONE"
    image.color_management = "FOLLOW_SCENE"


def _save_last(scene: bpy.types.Scene, path: Path) -> None:
    """Save the last render again, with the scene's current settings."""
    last = next(item for item in bpy.data.images if item.type == "RENDER_RESULT")
    last.save_render(str(path), scene=scene)


def _read_linear(path: Path) -> NDArray[np.float32]:
    """Return (resolution_y, resolution_x, 3 or 4) float32, scene-referred."""
    channels = Channels(path)
    return np.stack([channels.read(name, np.float32) for name in "RGBA" if name in channels], -1)


@contextmanager
def _rendered(scene: bpy.types.Scene, camera: BlenderCamera, path: Path) -> Iterator[Path]:
    set_canvas(scene.render, camera)
    scene.render.filepath = str(path)
    try:
        with _failures_raised(path):
            _render(scene, write_still=True)
            yield path
    finally:
        _remove(path)


def _render(scene: bpy.types.Scene, *, write_still: bool = False) -> None:
    with compat.quiet():
        bpy.ops.render.render(write_still=write_still, scene=scene.name)


@contextmanager
def _failures_raised(path: Path | None = None) -> Iterator[None]:
    """Raise RenderError for errors that Blender reports about a render, or about its output file."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        reason = str(error).strip()
        if path is not None:
            reason = reason.replace(str(path), path.name)
        raise RenderError(f"Blender could not render: {reason}") from error


def _remove(path: Path) -> None:
    """Remove a file, and free its space: Blender keeps a file open that it failed to write."""
    with suppress(FileNotFoundError):
        os.truncate(path, 0)
        path.unlink()
