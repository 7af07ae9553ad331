"""The render passes, and how they come back as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import bpy
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from ..camera import BlenderCamera
from ..errors import RenderError
from . import compat

__all__ = ["ExactPass", "render_colour", "render_exact"]

_Result = TypeVar("_Result")

_BEYOND_EVERYTHING_M = 1e9  # Blender writes 1e10 where nothing is hit


@dataclass(frozen=True)
class ExactPass:
    """What one ray through each pixel's centre hits first.

    Attributes
    ----------
    depth : (height, width) float32
        Metres along the optical axis; inf = no hit.
    object_index, material_index : (height, width) float32
        Pass indices; whole numbers, 0 = no hit.
    """

    depth: NDArray[np.float32]
    object_index: NDArray[np.float32]
    material_index: NDArray[np.float32]


def render_colour(scene: bpy.types.Scene, camera: BlenderCamera, folder: Path) -> NDArray[np.uint8]:
    """Render the picture of `scene` with its own settings.

    Parameters
    ----------
    scene : bpy.types.Scene
    camera : BlenderCamera
        The pose is that of the scene's camera object.
    folder : Path
        For the file that Blender writes.

    Returns
    -------
    (resolution_y, resolution_x, 3 or 4) uint8
        Display-referred; RGBA if the film is transparent, else RGB.
    """
    image = scene.render.image_settings
    compat.set_image_format(image, "PNG")
    image.color_mode = "RGBA" if scene.render.film_transparent else "RGB"
    image.color_depth = "8"
    image.compression = 0
    image.color_management = "FOLLOW_SCENE"
    return _render(scene, camera, folder / "colour.png", _read_png)


def render_exact(scene: bpy.types.Scene, camera: BlenderCamera, folder: Path) -> ExactPass:
    """Render depth and indices of a scene that `engines.make_exact` has set up."""
    image = scene.render.image_settings
    compat.set_image_format(image, "OPEN_EXR_MULTILAYER")
    image.color_depth = "32"
    image.exr_codec = "NONE"
    return _render(scene, camera, folder / "exact.exr", _read_exact)


def _render(
    scene: bpy.types.Scene, camera: BlenderCamera, path: Path, read: Callable[[Path], _Result]
) -> _Result:
    _set_frame(scene.render, camera)
    scene.render.filepath = str(path)
    try:
        with compat.quiet():
            bpy.ops.render.render(write_still=True, scene=scene.name)
        return read(path)
    except (RuntimeError, OSError) as error:
        raise RenderError(f"Blender could not render: {str(error).strip()}") from error
    finally:
        path.unlink(missing_ok=True)


def _set_frame(render: bpy.types.RenderSettings, camera: BlenderCamera) -> None:
    render.resolution_x = camera.resolution_x
    render.resolution_y = camera.resolution_y
    render.resolution_percentage = 100
    render.pixel_aspect_x = camera.pixel_aspect_x
    render.pixel_aspect_y = camera.pixel_aspect_y
    render.use_border = False
    render.use_multiview = False
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_file_extension = False
    render.use_persistent_data = False


def _read_png(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def _read_exact(path: Path) -> ExactPass:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name: channel.pixels for part in file.parts for name, channel in part.channels.items()}
    object_name, material_name = compat.index_pass_names()
    depth = _channel(channels, "Depth.Z")
    return ExactPass(
        depth=np.where(depth > _BEYOND_EVERYTHING_M, np.float32(np.inf), depth),
        object_index=_channel(channels, f"{object_name}.X"),
        material_index=_channel(channels, f"{material_name}.X"),
    )


def _channel(channels: dict[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    """Find a pass's channel; its full name begins with the view layer's."""
    for full_name, pixels in channels.items():
        if full_name.endswith("." + name):
            return pixels
    raise RenderError(f"Blender wrote no channel {name}, only {', '.join(channels)}")
