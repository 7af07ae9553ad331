"""What an import ends with: the objects that have come are selected, and the view is the camera's."""

from __future__ import annotations

import bpy

from .kept_requests import KeptRequest
from .session import main_window

__all__ = ["import_and_show"]


def import_and_show(kept: KeptRequest) -> None:
    """Import a kept request into the open scene, select what has come, and look through its camera.

    Raises
    ------
    RenderServerError
        The request is one that the server would refuse.
    """
    from .kept_scene import import_into_scene

    scene = main_window().scene
    before = {item.session_uid for item in scene.objects}
    import_into_scene(kept)
    _select([item for item in scene.objects if item.session_uid not in before])
    _look_through_camera()


def _select(arrived: list[bpy.types.Object]) -> None:
    layer = main_window().view_layer
    layer.update()
    here = [item for item in arrived if item.name in layer.objects]
    for item in layer.objects:
        item.select_set(item in here, view_layer=layer)
    meshes = [item for item in here if item.type == "MESH"]
    if meshes and (layer.objects.active is None or layer.objects.active.mode == "OBJECT"):
        layer.objects.active = meshes[0]


def _look_through_camera() -> None:
    for area in main_window().screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.region_3d.view_perspective = "CAMERA"
            area.tag_redraw()
