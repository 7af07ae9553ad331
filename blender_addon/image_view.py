"""Shows an image in an image editor, zoomed to fit, with a caption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .changes import handed_over
from .session import main_window

__all__ = ["show_image", "switch"]

_LARGEST_PX = 960
_SMALLEST_PX = 480
_FONT = 0
_captions: dict[str, str] = {}
_drawing: list[Any] = []


def show_image(name: str, pixels: NDArray[np.float32], caption: str = "") -> None:
    """Show an image in an open image editor, or else in a new window, as large as possible.

    Parameters
    ----------
    name : str
        The name of the image datablock, which replaces an earlier one of that name.
    pixels : (height, width, 4) float32
        Display-referred, 0 to 1.
    caption : str
        The text that is drawn over the lower edge of the image.
    """
    image = _image(name, pixels)
    _captions[name] = caption
    if bpy.app.background:
        return
    window, area = _image_editor() or _new_image_editor(image)
    area.spaces.active.image = image
    _zoom_to_fit(window, area)
    area.tag_redraw()


def switch(*, on: bool) -> None:
    """Start or stop drawing captions."""
    space = bpy.types.SpaceImageEditor
    if on:
        _drawing.append(space.draw_handler_add(_draw_caption, (), "WINDOW", "POST_PIXEL"))
    while not on and _drawing:
        space.draw_handler_remove(_drawing.pop(), "WINDOW")
    _captions.clear()


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


def _image_editor() -> tuple[Any, Any] | None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.mode == "VIEW":
                return window, area
    return None


def _new_image_editor(image: Any) -> tuple[Any, Any]:
    """Open a window with the image's aspect ratio.

    Blender takes it from the render size, which is set briefly.
    """
    before = set(bpy.context.window_manager.windows)
    with (
        _renders_in_windows(),
        _render_size(main_window().scene.render, *image.size),
        bpy.context.temp_override(window=main_window()),
    ):
        bpy.ops.render.view_show("INVOKE_DEFAULT")
    opened = [window for window in bpy.context.window_manager.windows if window not in before]
    window = opened[0] if opened else bpy.context.window_manager.windows[-1]
    area: Any = window.screen.areas[0]
    area.type = "IMAGE_EDITOR"
    return window, area


@contextmanager
def _render_size(render: Any, width: int, height: int) -> Iterator[None]:
    names = ("resolution_x", "resolution_y", "resolution_percentage")
    kept = {name: getattr(render, name) for name in names}
    scale = min(_LARGEST_PX / max(width, height), max(1.0, _SMALLEST_PX / min(width, height)))
    size = (round(width * scale), round(height * scale), 100)
    try:
        with handed_over.undisturbed():
            for name, value in zip(names, size, strict=True):
                setattr(render, name, value)
            yield
    finally:
        with handed_over.undisturbed():
            for name, value in kept.items():
                setattr(render, name, value)


@contextmanager
def _renders_in_windows() -> Iterator[None]:
    preferences = bpy.context.preferences
    kept, was_dirty = preferences.view.render_display_type, preferences.is_dirty
    preferences.view.render_display_type = "WINDOW"
    try:
        yield
    finally:
        preferences.view.render_display_type = kept
        preferences.is_dirty = was_dirty


def _zoom_to_fit(window: Any, area: Any) -> None:
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)


def _draw_caption() -> None:
    """Draw the caption on a dark strip. Blender calls this for each image editor."""
    import blf
    import gpu
    from gpu_extras.batch import batch_for_shader

    image = getattr(bpy.context.space_data, "image", None)
    caption = _captions.get(image.name) if image else None
    if not caption or bpy.context.region is None:
        return
    scale = bpy.context.preferences.system.ui_scale
    blf.size(_FONT, 12 * scale)
    height = 24 * scale
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    width = bpy.context.region.width
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    strip = batch_for_shader(shader, "TRIS", {"pos": corners}, indices=[(0, 1, 2), (0, 2, 3)])
    gpu.state.blend_set("ALPHA")
    shader.uniform_float("color", (0.0, 0.0, 0.0, 0.85))
    strip.draw(shader)
    gpu.state.blend_set("NONE")
    blf.color(_FONT, 1.0, 1.0, 1.0, 1.0)
    blf.position(_FONT, 8 * scale, 7 * scale, 0)
    blf.draw(_FONT, caption)
