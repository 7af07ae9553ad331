"""Registration in Blender: one list of classes, and other additions."""

from __future__ import annotations

from typing import Any

import bpy

from . import (
    changes,
    checking,
    dataset_choices,
    dataset_job,
    dataset_operators,
    debugging,
    handlers,
    image_view,
    meanwhile,
    operators,
    panels,
    preferences,
    properties,
    trying,
)
from .control import controller

__all__ = ["register", "unregister"]

_CLASSES = [
    preferences.ServerPreferences,
    dataset_choices.DatasetProperties,
    properties.ServerProperties,
    properties.KeptView,
    properties.KeptEntry,
    properties.Finding,
    properties.SessionLists,
    operators.StartServer,
    operators.StopServer,
    operators.UpdateScene,
    operators.CopyAddress,
    operators.OpenAddress,
    operators.CopySnippet,
    operators.GenerateToken,
    trying.SendTest,
    trying.ShowAnswer,
    trying.ShowKept,
    debugging.ImportKept,
    debugging.RenderAgain,
    debugging.ShowPass,
    debugging.ExportBlend,
    debugging.ExportFolder,
    debugging.ClearKept,
    checking.CheckScene,
    checking.SelectFinding,
    checking.MendFinding,
    dataset_operators.WriteDataset,
    dataset_operators.PreviewDataset,
    dataset_operators.CancelDataset,
    dataset_operators.CopyDatasetCommand,
    panels.KeptList,
    panels.ServerMenu,
    *panels.PANELS,
]


def register() -> None:
    """Enable the add-on."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.gltf_render_server = bpy.props.PointerProperty(type=properties.ServerProperties)
    bpy.types.WindowManager.gltf_render_server = bpy.props.PointerProperty(type=properties.SessionLists)
    _status_bar().append(panels.draw_status)
    _render_menu().append(panels.draw_menu_entry)
    changes.switch(on=True)
    image_view.switch(on=True)
    handlers.switch(on=True)
    handlers.start_with_blender.start(0.5)


def unregister() -> None:
    """Disable the add-on, and remove everything that it added."""
    dataset_job.abandon()
    meanwhile.stop_waiting()
    controller.shutdown()
    handlers.start_with_blender.stop()
    handlers.switch(on=False)
    changes.switch(on=False)
    image_view.switch(on=False)
    _render_menu().remove(panels.draw_menu_entry)
    _status_bar().remove(panels.draw_status)
    del bpy.types.WindowManager.gltf_render_server
    del bpy.types.Scene.gltf_render_server
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)


def _status_bar() -> Any:
    return bpy.types.STATUSBAR_HT_header


def _render_menu() -> Any:
    return bpy.types.TOPBAR_MT_render
