"""Buttons for kept requests: to look at one in the scene, render it again, and hand it on."""

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
    """An operator for the request that is selected when the button is pressed, whatever comes meanwhile."""

    path: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether a request is selected."""
        return lists().has_kept_selection

    @property
    def kept(self) -> KeptRequest:
        """The request; see `read_kept`."""
        self.choose()
        return read_kept(Path(self.path))

    def choose(self) -> None:
        """Remember which request is selected, once."""
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
        """Whether there is a request, and a server for it."""
        return super().poll(context) and bool(controller.state.url)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Send the request; what comes is shown when it comes."""
        done = "Rendering again; the answer will be shown beside the stored one"
        return _tried(self, lambda: _send_again(self.kept), done)


class ShowPass(_OfKept, bpy.types.Operator):
    """Render the chosen pass of the request in this Blender, and show it in false colours"""  # noqa: D400

    bl_idname = "gltf_render_server.show_pass"
    bl_label = "Show Pass"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Begin to read the request; the pass is shown when it is rendered."""
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
        """Ask where."""
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
        """Ask where."""
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
        """Whether there is any."""
        return bool(lists().kept)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Ask first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Delete them."""
        left = preferences().shelf.clear()
        controller.read_shelf()
        if left:
            self.report({"WARNING"}, f"{left} stay: they were changed by somebody, or cannot be removed")
        return {"FINISHED"}


def _send_again(kept: KeptRequest) -> None:
    """Send a request; all of it is read at once, for while it is rendered its file may go."""
    if not kept.fields:
        raise RuntimeError("only a request of Drake's form can be sent again; export this one")
    name, stored = kept.answered.image_type, kept.answer
    url = with_token(controller.state.url, controller.token)
    send(url, kept.scene, kept.fields, lambda reply: _compare(name, stored, reply), {NOT_KEPT: "1"})


def _compare(name: str, stored: bytes | None, reply: Reply) -> None:
    from .comparison import difference, side_by_side
    from .image_view import show_image

    if reply.error:
        controller.tell(f"Render Again: {reply.error}")
        return
    verdict = difference(name, stored, reply.picture)
    show_image(_COMPARISON, side_by_side(name, stored, reply.picture), f"{_COMPARISON}: {verdict}")
    controller.tell("", note=f"Render Again: {verdict}")


def _tried(operator: bpy.types.Operator, action: Callable[[], str | None], done: str = "") -> _Result:
    """Do it, and say in plain words what became of it."""
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
