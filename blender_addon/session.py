"""The session of this Blender: its window, the panel's lists, and redrawing."""

from __future__ import annotations

import bpy

from .properties import ServerProperties, SessionLists

__all__ = ["lists", "main_window", "redraw", "redraw_panels", "scene_properties", "window_in_use"]


def scene_properties() -> ServerProperties:
    """Return the properties of the served scene."""
    return main_window().scene.gltf_render_server


def lists() -> SessionLists:
    """Return the panel's lists."""
    return bpy.context.window_manager.gltf_render_server


def main_window() -> bpy.types.Window:
    """Return the first window. Its scene is the served one, whatever window the user works in meanwhile."""
    return bpy.context.window_manager.windows[0]


def window_in_use() -> bpy.types.Window:
    """Return the window of the current operator; a timer may run without one."""
    return bpy.context.window or main_window()


def redraw() -> None:
    """Redraw everything, including the status bar."""
    lists().redraw += 1


def redraw_panels() -> None:
    """Redraw the areas that contain the add-on's panels."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in {("VIEW_3D", "UI"), ("PROPERTIES", "WINDOW")}:
                    region.tag_redraw()
