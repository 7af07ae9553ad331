"""Settings of this computer, which are not saved in a .blend: address, token, kept requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from .gltf_render_server.options import options_of
from .gltf_render_server.settings import ServerSettings
from .kept_requests import Shelf
from .properties import described

__all__ = ["ServerPreferences", "draw_below_address", "keep_changed", "preferences"]

draw_below_address: list[Callable[[Any], None]] = []
"""Functions of other modules that add to the preferences' layout."""

keep_changed: list[Callable[[], None]] = []
"""Functions of other modules that are called when the settings for kept requests change."""

_PORTS = options_of(ServerSettings)["port"].bounds


def _keep_changed(_self: object, context: bpy.types.Context) -> None:
    for function in keep_changed:
        function()


class ServerPreferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > glTF Render Server."""

    bl_idname = __package__ or ""

    host: bpy.props.StringProperty(
        name="Host",
        description=described("host") + ". That needs a token and Blender's permission to go online",
        default=ServerSettings.host,
    )
    port: bpy.props.IntProperty(
        name="Port",
        description=described("port"),
        default=ServerSettings.port,
        min=int(_PORTS[0]),
        max=int(_PORTS[1]),
    )
    token: bpy.props.StringProperty(
        name="Token", description=described("token") + ". Empty: none is asked for", subtype="PASSWORD"
    )
    start_with_blender: bpy.props.BoolProperty(
        name="Start with Blender",
        description="Start the server whenever Blender starts",
    )
    keep_requests: bpy.props.BoolProperty(
        name="Keep Requests",
        description="Store each request with its answer, to look at it later; the newest ones only",
        update=_keep_changed,
    )
    keep_count: bpy.props.IntProperty(
        name="Keep",
        description="How many of the last requests are kept while Keep Requests is on",
        default=20,
        min=1,
        max=10_000,
        update=_keep_changed,
    )
    keep_folder: bpy.props.StringProperty(
        name="Folder",
        description="Where requests are kept. Empty: a folder of this add-on beside Blender's settings",
        subtype="DIR_PATH",
        update=_keep_changed,
    )

    @property
    def listens_on(self) -> str:
        """The host without surrounding spaces."""
        return self.host.strip() or ServerSettings.host

    @property
    def shelf(self) -> Shelf:
        """The shelf for kept requests."""
        return Shelf(self._keep_path, self.keep_count if self.keep_requests else 0)

    @property
    def _keep_path(self) -> Path:
        if self.keep_folder:
            return Path(bpy.path.abspath(self.keep_folder))
        return Path(bpy.utils.extension_path_user(__package__ or "", path="requests"))

    def draw(self, context: bpy.types.Context) -> None:
        """Lay out the preferences."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "host")
        layout.prop(self, "port")
        row = layout.row(align=True)
        row.prop(self, "token")
        row.operator("gltf_render_server.generate_token", text="", icon="FILE_REFRESH")
        for draw in draw_below_address:
            draw(layout)
        layout.prop(self, "start_with_blender")
        layout.separator()
        layout.prop(self, "keep_requests")
        layout.prop(self, "keep_count")
        layout.prop(self, "keep_folder")


def preferences() -> ServerPreferences:
    """Return the add-on's preferences."""
    return bpy.context.preferences.addons[__package__ or ""].preferences
