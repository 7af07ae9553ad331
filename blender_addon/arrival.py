"""The end of an import: selects the imported objects, and switches the view to the camera."""

from __future__ import annotations

import bpy

from .kept_requests import KeptRequest
from .session import window_in_use

__all__ = ["import_and_show"]


def import_and_show(kept: KeptRequest) -> None:
    """Import a kept request into the open scene, select the new objects, and look through its camera.

    Raises
    ------
    RenderServerError
        The server would reject the request.
    """
    from .kept_scene import import_into_scene

    scene = window_in_use().scene
    before = {item.session_uid for item in scene.objects}
    import_into_scene(kept)
    _select([item for item in scene.objects if item.session_uid not in before])
    _look_through_camera()


def _select(arrived: list[bpy.types.Object]) -> None:
    layer = window_in_use().view_layer
    layer.update()
    here = [item for item in arrived if item.name in layer.objects]
    for item in layer.objects:
        item.select_set(item in here, view_layer=layer)
    meshes = [item for item in here if item.type == "MESH"]
    if meshes and (layer.objects.active is None or layer.objects.active.mode == "OBJECT"):
        layer.objects.active = meshes[0]


def _look_through_camera() -> None:
    for area in window_in_use().screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.region_3d.view_perspective = "CAMERA"
            area.tag_redraw()
