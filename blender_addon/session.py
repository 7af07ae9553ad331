"""The session of this Blender: its window, what its panel lists, and drawing it again."""

from __future__ import annotations

import bpy

from .properties import ServerProperties, SessionLists

__all__ = ["lists", "main_window", "redraw", "redraw_panels", "scene_properties"]


def scene_properties() -> ServerProperties:
    """Return the properties of the scene in the window."""
    return main_window().scene.gltf_render_server


def lists() -> SessionLists:
    """Return what the panel lists."""
    return bpy.context.window_manager.gltf_render_server


def main_window() -> bpy.types.Window:
    """Return the window that counts; a timer has none of its own."""
    return bpy.context.window or bpy.context.window_manager.windows[0]


def redraw() -> None:
    """Draw everything again, the status bar included."""
    lists().redraw += 1


def redraw_panels() -> None:
    """Draw again where the add-on's panels are."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in {("VIEW_3D", "UI"), ("PROPERTIES", "WINDOW")}:
                    region.tag_redraw()
