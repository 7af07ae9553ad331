"""Buttons that start, stop and reach the server."""

from __future__ import annotations

from typing import Any

import bpy

from .control import controller
from .launch import StartError

__all__ = ["CopyAddress", "OpenAddress", "StartServer", "StopServer", "UpdateScene"]

_Result = set[Any]


class StartServer(bpy.types.Operator):
    """Serve the open scene: clients' objects join it, with its lights, world and render settings"""  # noqa: D400

    bl_idname = "gltf_render_server.start"
    bl_label = "Start Server"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether there is no server."""
        return not controller.state.is_on

    def execute(self, context: bpy.types.Context) -> _Result:
        """Start the server."""
        try:
            controller.start()
        except StartError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class StopServer(bpy.types.Operator):
    """Stop the server; a render in progress gets a few seconds, what waits is refused"""  # noqa: D400

    bl_idname = "gltf_render_server.stop"
    bl_label = "Stop Server"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether there is a server."""
        return controller.state.is_on

    def execute(self, context: bpy.types.Context) -> _Result:
        """Stop the server."""
        controller.stop()
        return {"FINISHED"}


class UpdateScene(bpy.types.Operator):
    """Hand the scene and the choices above to the background server as they are now"""  # noqa: D400

    bl_idname = "gltf_render_server.update"
    bl_label = "Update"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether there is a server."""
        return controller.state.is_on

    def execute(self, context: bpy.types.Context) -> _Result:
        """Save a copy of the scene for the server."""
        try:
            controller.update()
        except StartError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CopyAddress(bpy.types.Operator):
    """Copy the server's address, for a client's base_url"""  # noqa: D400

    bl_idname = "gltf_render_server.copy_address"
    bl_label = "Copy Address"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Put the address on the clipboard."""
        context.window_manager.clipboard = controller.state.url
        self.report({"INFO"}, f"Copied {controller.state.url}")
        return {"FINISHED"}


class OpenAddress(bpy.types.Operator):
    """Open the server's page in a browser"""  # noqa: D400

    bl_idname = "gltf_render_server.open_address"
    bl_label = "Open in Browser"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Open the address."""
        bpy.ops.wm.url_open(url=controller.state.url)
        return {"FINISHED"}
