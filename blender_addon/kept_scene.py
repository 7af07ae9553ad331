"""A kept request in the open session: the client's objects, camera and light, as the server sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import bpy

from .gltf_render_server.blender import BlenderRenderer
from .gltf_render_server.blender.guests import adopt_guests
from .gltf_render_server.blender.sources import SessionSource
from .kept_requests import KeptRequest
from .session import main_window
from .window import current_settings

__all__ = ["import_into_scene", "write_blend"]

_FRAME = ("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y")


def import_into_scene(kept: KeptRequest) -> None:
    """Make the client's objects part of the open scene, and its camera, image size and light the scene's own.

    Raises
    ------
    RenderServerError
        The request is one that the server would refuse.
    """
    scene = main_window().scene
    with _arranged(kept) as arranged:
        scene.world = arranged.world
        for name in _FRAME:
            setattr(scene.render, name, getattr(arranged.render, name))
    group = adopt_guests(f"Request {kept.label}")
    scene.camera = next(item for item in group.objects if item.type == "CAMERA")


def write_blend(kept: KeptRequest, path: str) -> None:
    """Write what the server would render, the open scene with the client's objects, to a .blend.

    Raises
    ------
    RenderServerError
        The request is one that the server would refuse.
    OSError, RuntimeError
        The file cannot be written.
    """
    with _arranged(kept) as arranged:
        bpy.data.libraries.write(path, {arranged}, path_remap="ABSOLUTE", compress=True)


@contextmanager
def _arranged(kept: KeptRequest) -> Iterator[bpy.types.Scene]:
    renderer = BlenderRenderer(current_settings(), SessionSource(lambda: main_window().scene))
    try:
        frame = kept.recorded.frame(renderer.extensions)
        with renderer.arranged(replace(frame, passes=("color",))) as scene:  # objects in their colours
            yield scene
    finally:
        renderer.close()
