"""Sets up a kept request in the open session: the client's objects, camera and light, as on the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import bpy

from .gltf_render_server.blender import BlenderRenderer
from .gltf_render_server.blender.guests import adopt_guests
from .gltf_render_server.blender.sources import SessionSource
from .kept_requests import KeptRequest
from .session import window_in_use
from .window import current_settings

__all__ = ["import_into_scene", "write_blend"]

_FRAME = ("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y")


def import_into_scene(kept: KeptRequest) -> None:
    """Add the client's objects to the open scene, and set the scene's camera, image size and light.

    Raises
    ------
    RenderServerError
        The server would reject the request.
    """
    scene = window_in_use().scene
    with _arranged(kept) as arranged:
        scene.world = arranged.world
        for name in _FRAME:
            setattr(scene.render, name, getattr(arranged.render, name))
    group = adopt_guests(f"Request {kept.label}")
    scene.camera = next(item for item in group.objects if item.type == "CAMERA")


def write_blend(kept: KeptRequest, path: str) -> None:
    """Save the open scene with the client's objects, as the server would render it, to a .blend.

    Raises
    ------
    RenderServerError
        The server would reject the request.
    OSError, RuntimeError
        The file cannot be written.
    """
    with _arranged(kept) as arranged:
        bpy.data.libraries.write(path, {arranged}, path_remap="ABSOLUTE", compress=True)


@contextmanager
def _arranged(kept: KeptRequest) -> Iterator[bpy.types.Scene]:
    # looked up each time, because writing a library removes references to the scene
    source = SessionSource(lambda: window_in_use().scene)
    renderer = BlenderRenderer(current_settings(window_in_use().scene), source)
    try:
        frame = kept.recorded.frame(renderer.extensions)
        with renderer.arranged(replace(frame, passes=("color",))) as scene:  # the objects with their colours
            yield scene
    finally:
        renderer.close()
