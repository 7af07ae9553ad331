"""Buttons for kept requests: import one into the scene, render it again, and export it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ExportHelper

from .address import with_token
from .control import controller
from .kept_requests import NOT_KEPT, KeptRequest, KeptRequestError, export, read_kept
from .preferences import preferences
from .sending import Reply, send
from .session import lists

__all__ = ["ClearKept", "ExportBlend", "ExportFolder", "ImportKept", "RenderAgain", "ShowPass"]

_Result = set[Any]

_COMPARISON = "Stored | Now"


class _OfKept:
    """An operator on the request that was selected when its button was pressed."""

    path: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a request is selected."""
        return lists().has_kept_selection

    @property
    def kept(self) -> KeptRequest:
        """The request; see `read_kept`."""
        self.choose()
        return read_kept(Path(self.path))

    def choose(self) -> None:
        """Remember the selected request, on the first call."""
        if not self.path:
            self.path = lists().kept[lists().kept_index].path


class ImportKept(_OfKept, bpy.types.Operator):
    """Bring the request into the scene as the server would see it: objects, camera, image size, light"""  # noqa: D400

    bl_idname = "gltf_render_server.import_kept"
    bl_label = "Import into Scene"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  as Blender wants it

    def execute(self, context: bpy.types.Context) -> _Result:
        """Import the request."""
        from .arrival import import_and_show

        return _tried(self, lambda: import_and_show(self.kept), "Imported")


class RenderAgain(_OfKept, bpy.types.Operator):
    """Send the request to the server again, and show the answer of now beside the stored one"""  # noqa: D400

    bl_idname = "gltf_render_server.render_again"
    bl_label = "Render Again"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a request is selected and a server is running."""
        return super().poll(context) and bool(controller.state.url)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Send the request. The response is shown when it arrives."""
        done = "Rendering again; the answer will be shown beside the stored one"
        return _tried(self, lambda: _send_again(self.kept), done)


class ShowPass(_OfKept, bpy.types.Operator):
    """Render the chosen pass of the request in this Blender, and show it in false colours"""  # noqa: D400

    bl_idname = "gltf_render_server.show_pass"
    bl_label = "Show Pass"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Start to read the request. The pass is shown when it is rendered."""
        from .kept_pass import show_pass

        name, view = lists().shown_pass, lists().shown_view
        return _tried(self, lambda: show_pass(self.kept, name, view), f"Rendering {name}; it will be shown")


class ExportBlend(_OfKept, bpy.types.Operator, ExportHelper):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Write the scene with the request's objects and camera, as the server would render it, to a .blend"""  # noqa: D400

    bl_idname = "gltf_render_server.export_blend"
    bl_label = "Export .blend"
    filename_ext = ".blend"

    filter_glob: bpy.props.StringProperty(default="*.blend", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Ask for the file."""
        self.choose()
        return ExportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Write the file."""
        from .kept_scene import write_blend

        return _tried(self, lambda: write_blend(self.kept, self.filepath), f"Wrote {self.filepath}")


class ExportFolder(_OfKept, bpy.types.Operator):
    """Write the request as plain files: the scene, the form and the answer, to send it from elsewhere"""  # noqa: D400

    bl_idname = "gltf_render_server.export_folder"
    bl_label = "Export Folder"

    directory: bpy.props.StringProperty(subtype="DIR_PATH")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Ask for the folder."""
        self.choose()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> _Result:
        """Write the folder."""
        return _tried(self, lambda: f"Wrote {export(self.kept, Path(self.directory))}")


class ClearKept(bpy.types.Operator):
    """Delete all kept requests"""  # noqa: D400

    bl_idname = "gltf_render_server.clear_kept"
    bl_label = "Delete All"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there are any kept requests."""
        return bool(lists().kept)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Ask for confirmation."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Delete them."""
        left = preferences().shelf.clear()
        controller.read_shelf()
        if left:
            self.report({"WARNING"}, f"{left} stay: they were changed by somebody, or cannot be removed")
        return {"FINISHED"}


def _send_again(kept: KeptRequest) -> None:
    """Send a request. All of it is read first, because its file may be deleted during the render."""
    if not kept.fields:
        raise RuntimeError("only a request of Drake's form can be sent again; export this one")
    name, stored = kept.answered.image_type, kept.answer
    url = with_token(controller.state.url, controller.token)
    send(url, kept.scene, kept.fields, lambda reply: _compare(name, stored, reply), {NOT_KEPT: "1"})


def _compare(name: str, stored: bytes | None, reply: Reply) -> None:
    from .comparison import difference, side_by_side
    from .image_view import show_image

    if reply.error:
        controller.show_message(f"Render Again: {reply.error}")
        return
    verdict = difference(name, stored, reply.picture)
    show_image(_COMPARISON, side_by_side(name, stored, reply.picture), f"{_COMPARISON}: {verdict}")
    controller.show_message("", note=f"Render Again: {verdict}")


def _tried(operator: bpy.types.Operator, action: Callable[[], str | None], done: str = "") -> _Result:
    """Run an action, and report its result in plain words."""
    from .gltf_render_server.errors import RenderServerError

    try:
        done = action() or done
    except KeptRequestError as error:
        controller.read_shelf()
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    except (RenderServerError, OSError, RuntimeError) as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    operator.report({"INFO"}, done)
    return {"FINISHED"}
