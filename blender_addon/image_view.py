"""A picture in an image editor."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .session import main_window

__all__ = ["show_image"]


def show_image(name: str, pixels: NDArray[np.float32]) -> None:
    """Show a picture in an image editor that is open, or else in a window of its own.

    Parameters
    ----------
    name : str
        Of the image datablock, which takes the place of the last of that name.
    pixels : (height, width, 4) float32
        Display-referred, 0 to 1.
    """
    image = _image(name, pixels)
    space = (_image_editor() or _new_image_editor()).spaces.active
    space.image = image


def _image(name: str, pixels: NDArray[np.float32]) -> Any:
    height, width, _ = pixels.shape
    image: Any = bpy.data.images.get(name)
    if image is None:
        image = bpy.data.images.new(name, width, height)
    elif tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).reshape(-1))
    image.update()
    return image


def _image_editor() -> Any:
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    return next((area for area in areas if area.type == "IMAGE_EDITOR"), None)


def _new_image_editor() -> Any:
    with bpy.context.temp_override(window=main_window()):
        bpy.ops.wm.window_new()
    area: Any = bpy.context.window_manager.windows[-1].screen.areas[0]
    area.type = "IMAGE_EDITOR"
    return area
