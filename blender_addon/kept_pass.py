"""Renders a pass of a kept request in this Blender, and shows it in false colours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import bpy
from numpy.typing import NDArray

from .changes import handed_over
from .control import controller
from .gltf_render_server.blender import BlenderRenderer
from .gltf_render_server.blender.compat import importer_extensions
from .gltf_render_server.blender.guests import remove_guests
from .gltf_render_server.blender.sources import SessionSource
from .gltf_render_server.errors import RenderServerError
from .gltf_render_server.frame import Frame
from .gltf_render_server.passes import prepare
from .image_view import show_image
from .kept_requests import KeptRequest
from .meanwhile import meanwhile
from .picture import describe, displayed
from .session import main_window
from .window import current_settings, is_occupied

__all__ = ["show_pass"]

_PICTURE = "glTF Render Server"


def show_pass(kept: KeptRequest, name: str, view: str) -> None:
    """Render a pass of a kept request in this Blender, and show it. Errors are shown in the panel.

    The request is read and checked on a thread. Blender is then blocked while it renders, but not before the
    user has finished dragging or painting. None of the client's objects stay in the scene.

    Parameters
    ----------
    kept : KeptRequest
    name : str
        The name of the pass.
    view : str
        The name of the view; if there is none of that name, the first view is used.
    """
    read = partial(_read, kept, name, view, importer_extensions())
    meanwhile(read, partial(_show, kept.label), lambda: not is_occupied())


def _read(kept: KeptRequest, name: str, view: str, extensions: frozenset[str]) -> Frame | Exception:
    """Return a frame with one view and one pass, or the error."""
    try:
        frame = kept.recorded.frame(extensions)
        names = [item.name for item in frame.views]
        alone = frame.alone()[names.index(view) if view in names else 0]
        frame = replace(alone, passes=(name,))
        prepare(frame)
    except Exception as error:  # noqa: BLE001  whatever it is, who has asked must be told
        return error
    return frame


def _show(label: str, frame: Frame | Exception) -> None:
    if isinstance(frame, Exception):
        controller.show_message(f"Show Pass: {frame}")
        return
    try:
        array = _rendered(frame)
    except (RenderServerError, OSError, RuntimeError) as error:
        controller.show_message(f"Show Pass: {error}")
        return
    [name] = frame.passes
    text = describe(name, array)
    show_image(_PICTURE, displayed(name, array)[0], f"{label.split()[0]}: {text}")
    controller.show_message("", note=f"Show Pass: {text}")


def _rendered(frame: Frame) -> NDArray[Any]:
    with handed_over.undisturbed(), bpy.context.temp_override(window=main_window()):
        source = SessionSource(lambda: main_window().scene)
        renderer = BlenderRenderer(current_settings(main_window().scene), source)
        try:
            [arrays] = renderer.render(frame).views
        finally:
            renderer.close()
            remove_guests()
    return arrays[frame.passes[0]]
