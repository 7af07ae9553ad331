"""Buttons that start, stop and access the server."""

from __future__ import annotations

import secrets
from typing import Any

import bpy

from .address import drake_snippet
from .control import controller
from .launch import StartError
from .preferences import preferences

__all__ = [
    "CopyAddress",
    "CopySnippet",
    "GenerateToken",
    "OpenAddress",
    "StartServer",
    "StopServer",
    "UpdateScene",
]

_Result = set[Any]

_TOKEN_BYTES = 24


class StartServer(bpy.types.Operator):
    """Serve the open scene: clients' objects join it, with its lights, world and render settings"""  # noqa: D400

    bl_idname = "gltf_render_server.start"
    bl_label = "Start Server"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether no server is running."""
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
        """Return whether a server is running."""
        return controller.state.is_on

    def execute(self, context: bpy.types.Context) -> _Result:
        """Stop the server."""
        controller.stop()
        return {"FINISHED"}


class UpdateScene(bpy.types.Operator):
    """Hand the scene, the choices above and the preferences to the server as they are now"""  # noqa: D400

    bl_idname = "gltf_render_server.update"
    bl_label = "Update"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a server is running."""
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
        """Copy the address to the clipboard."""
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


class CopySnippet(bpy.types.Operator):
    """Copy the Python code with which Drake uses this server, with the token if there is one"""  # noqa: D400

    bl_idname = "gltf_render_server.copy_snippet"
    bl_label = "Copy Drake Snippet"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is an address."""
        return bool(controller.state.url)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Copy the code to the clipboard."""
        token = controller.token
        context.window_manager.clipboard = drake_snippet(controller.state.url, token)
        self.report({"INFO"}, "Copied the code for Drake" + (", with the token" if token else ""))
        return {"FINISHED"}


class GenerateToken(bpy.types.Operator):
    """Choose a token that nobody can guess, and copy it"""  # noqa: D400

    bl_idname = "gltf_render_server.generate_token"
    bl_label = "Generate Token"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Set the token, and copy it to the clipboard."""
        preferences().token = context.window_manager.clipboard = secrets.token_urlsafe(_TOKEN_BYTES)
        context.preferences.is_dirty = True
        later = "; the server that runs takes it up with Update" if controller.state.is_on else ""
        self.report({"INFO"}, f"Copied a new token{later}")
        return {"FINISHED"}
