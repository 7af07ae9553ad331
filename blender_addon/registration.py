"""What is registered in Blender: one list of classes, and what is added beside them."""

from __future__ import annotations

from typing import Any

import bpy

from . import checking, debugging, handlers, operators, panels, preferences, properties
from .control import controller

__all__ = ["register", "unregister"]

_CLASSES = [
    preferences.ServerPreferences,
    properties.ServerProperties,
    properties.KeptEntry,
    properties.Finding,
    properties.SessionLists,
    operators.StartServer,
    operators.StopServer,
    operators.UpdateScene,
    operators.CopyAddress,
    operators.OpenAddress,
    debugging.ImportKept,
    debugging.RenderAgain,
    debugging.ExportBlend,
    debugging.ExportFolder,
    debugging.ClearKept,
    checking.CheckScene,
    checking.SelectFinding,
    checking.MendFinding,
    panels.KeptList,
    *panels.PANELS,
]


def register() -> None:
    """Switch the add-on on."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.gltf_render_server = bpy.props.PointerProperty(type=properties.ServerProperties)
    bpy.types.WindowManager.gltf_render_server = bpy.props.PointerProperty(type=properties.SessionLists)
    _status_bar().append(panels.draw_status)
    handlers.switch(on=True)
    handlers.start_with_blender.start(0.5)


def unregister() -> None:
    """Switch the add-on off, and leave nothing of it behind."""
    debugging.stop_waiting()
    controller.shutdown()
    handlers.start_with_blender.stop()
    handlers.switch(on=False)
    _status_bar().remove(panels.draw_status)
    del bpy.types.WindowManager.gltf_render_server
    del bpy.types.Scene.gltf_render_server
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)


def _status_bar() -> Any:
    return bpy.types.STATUSBAR_HT_header
