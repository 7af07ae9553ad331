"""The user interface: panels in the 3D view's sidebar and the render properties, text in the status bar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy

from .changes import handed_over
from .control import controller
from .dataset_choices import choices_of, what_is_left_out
from .dataset_job import current
from .events import Answered
from .preferences import draw_below_address, preferences
from .session import lists, main_window, scene_properties
from .state import Phase, ServerState
from .wheels import advice

__all__ = ["PANELS", "KeptList", "ServerMenu", "draw_menu_entry", "draw_status"]

_ICONS = {
    Phase.STOPPED: "PAUSE",
    Phase.STARTING: "TIME",
    Phase.RUNNING: "PLAY",
    Phase.STOPPING: "TIME",
    Phase.FAILED: "ERROR",
}
_LINE_CHARACTERS = 34  # of a sidebar of usual width
_MOST_LINES = 8
_REASON_LINES = 4


class KeptList(bpy.types.UIList):
    """The list of kept requests, the newest first."""

    bl_idname = "GLTF_RENDER_SERVER_UL_kept"

    def draw_item(
        self,
        context: Any,
        layout: Any,
        data: Any,
        item: Any,
        icon: Any,
        active_data: Any,
        active_property: Any,
        index: Any = 0,
        flt_flag: Any = 0,
    ) -> None:
        """Draw a line."""
        layout.label(text=item.label, icon="ERROR" if item.failed else "IMAGE_DATA")


def draw_status(header: Any, context: bpy.types.Context) -> None:
    """Show the state of the server in the status bar."""
    state = controller.state
    if state.phase is Phase.STOPPED:
        return
    text = state.message if state.phase is Phase.FAILED else _status_text(state)
    if state.phase is not Phase.FAILED and state.message:
        text += f": last failure: {state.message}"
    header.layout.separator_spacer()
    header.layout.label(text=f"glTF Render Server: {text[:160]}", icon=_status_icon(state))


def draw_menu_entry(menu: Any, context: Any) -> None:
    """Add the server to the Render menu."""
    menu.layout.separator()
    menu.layout.menu(ServerMenu.bl_idname, icon=_status_icon(controller.state))


def _draw_pending_options(layout: Any) -> None:
    """Show a hint if the running server has different options from those chosen."""
    if not controller.has_other_options:
        return
    box = layout.box()
    _draw_text(box, "The server still runs with the choices of before: Update starts it anew", icon="ERROR")
    box.operator("gltf_render_server.update", icon="FILE_REFRESH")


draw_below_address.append(_draw_pending_options)


class ServerMenu(bpy.types.Menu):
    """The menu with the panel's functions, for users who have closed the panel."""

    bl_idname = "GLTF_RENDER_SERVER_MT_server"
    bl_label = "glTF Render Server"

    def draw(self, context: Any) -> None:
        """Draw the entries."""
        layout: Any = self.layout
        state = controller.state
        layout.label(text=_status_text(state), icon=_status_icon(state))
        layout.separator()
        switch = "stop" if state.is_on else "start"
        layout.operator(f"gltf_render_server.{switch}", icon="SNAP_FACE" if state.is_on else "PLAY")
        layout.operator("gltf_render_server.update", icon="FILE_REFRESH")
        layout.operator("gltf_render_server.send_test", icon="RENDER_STILL")
        layout.operator("gltf_render_server.copy_snippet", icon="SCRIPT")
        layout.operator("gltf_render_server.check", icon="VIEWZOOM")


class _Server:
    """The main panel."""

    bl_label = "glTF Render Server"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the switch, the state and the address."""
        layout, state = self.layout, controller.state
        _draw_switch(layout, state)
        if context.scene != (served := main_window().scene):
            _draw_text(layout, f"Served is {served.name}, the scene of the first window", icon="INFO")
        layout.label(text=_status_text(state), icon=_status_icon(state))
        if state.message:
            _draw_text(layout.box(), state.message, icon="ERROR")
        if state.url:
            _draw_address(layout, state)
        _draw_pending_options(layout)
        if state.url:
            _draw_test(layout)
        if state.note:
            _draw_text(layout.box(), state.note, icon="INFO")


class _Options:
    bl_label = "Rendering"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the render settings."""
        layout, own = self.layout, scene_properties()
        layout.use_property_split = True
        layout.use_property_decorate = False
        if controller.state.is_on:
            _draw_fact(layout, "Serve From", controller.state.place)
        else:
            layout.prop(own, "mode")
        for name in ("engine", "quality", "environment", "up_axis"):
            layout.prop(own, name)
        column = layout.column()
        column.enabled = _is_background(own)
        column.prop(own, "device")
        if controller.state.is_on and controller.state.scene_time:
            _draw_update(layout)


class _Requests:
    bl_label = "Requests"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the running, waiting and answered requests."""
        layout, state = self.layout, controller.state
        for index, asked in enumerate(list(state.waiting.values())[:_MOST_LINES]):
            size = f"{asked.width} x {asked.height}"
            text = f"{asked.image_type} {size} for {asked.client}"
            layout.label(text=text, icon="RENDER_STILL" if not index else "TIME")
        if len(state.waiting) > _MOST_LINES:
            layout.label(text=f"and {len(state.waiting) - _MOST_LINES} more")
        _draw_answered(layout, state.answered)


class _Kept:
    bl_label = "Kept Requests"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  as Blender wants it

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the list of kept requests and the buttons for the selected one."""
        layout, session = self.layout, lists()
        layout.prop(preferences(), "keep_requests")
        layout.template_list(KeptList.bl_idname, "", session, "kept", session, "kept_index", rows=3)
        if 0 <= session.kept_index < len(session.kept) and session.kept[session.kept_index].message:
            _draw_text(layout.box(), session.kept[session.kept_index].message, icon="ERROR")
        column = layout.column(align=True)
        column.operator("gltf_render_server.show_kept", icon="IMAGE_DATA")
        column.operator("gltf_render_server.import_kept", icon="IMPORT")
        column.operator("gltf_render_server.render_again", icon="RENDER_STILL")
        _draw_passes(layout.column(align=True), session)
        column = layout.column(align=True)
        row = column.row(align=True)
        row.operator("gltf_render_server.export_blend", icon="FILE_BLEND")
        row.operator("gltf_render_server.export_folder", icon="FILE_FOLDER")
        layout.operator("gltf_render_server.clear_kept", icon="TRASH")


class _Check:
    bl_label = "Scene Check"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  as Blender wants it

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the problems of the scene."""
        layout, session = self.layout, lists()
        layout.operator("gltf_render_server.check", icon="VIEWZOOM")
        if session.checked and not session.findings:
            layout.label(text="Nothing would disturb serving", icon="CHECKMARK")
        for index, finding in enumerate(session.findings):
            _draw_finding(layout.box(), index, finding)


class _Dataset:
    bl_label = "Make a Dataset of This Scene"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  as Blender wants it

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options and buttons for a dataset."""
        layout, own = self.layout, context.scene.gltf_render_server.dataset
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(own, "cameras")
        for name in ("around", "count", "fov_deg") if own.is_around else ():
            column.prop(own, name)
        row = column.row(align=True)
        row.prop(own, "width", text="Size")
        row.prop(own, "height", text="")
        column.prop(own, "moments")
        column.prop(own, "quality")
        column.prop(own, "light")
        _draw_text(column, what_is_left_out(context.scene), icon="LIGHT")
        _draw_boxes(layout, own, "passes")
        _draw_boxes(layout, own, "formats")
        layout.prop(own, "folder")
        if current:
            layout.operator("gltf_render_server.cancel_dataset", icon="CANCEL")
        column = layout.column(align=True)
        column.operator("gltf_render_server.preview_dataset", icon="RENDER_STILL")
        column.operator("gltf_render_server.write_dataset", icon="FILE_TICK")
        column.operator("gltf_render_server.copy_dataset_command", icon="COPYDOWN")


def _panels() -> list[type]:
    """Return each panel twice: for the sidebar and for the render properties."""
    places = {
        "VIEW3D_PT": {"bl_space_type": "VIEW_3D", "bl_region_type": "UI", "bl_category": "glTF Server"},
        "RENDER_PT": {
            "bl_space_type": "PROPERTIES",
            "bl_region_type": "WINDOW",
            "bl_context": "render",
        },
    }
    found = []
    for prefix, place in places.items():
        parent = f"{prefix}_gltf_render_server"
        for part in (_Server, _Options, _Requests, _Kept, _Check, _Dataset):
            name = parent if part is _Server else f"{parent}{part.__name__.lower()}"
            below = {"bl_parent_id": parent} if part is not _Server else {}
            closed = {"bl_options": {"DEFAULT_CLOSED"}} if not below and prefix == "RENDER_PT" else {}
            found.append(type(name, (part, bpy.types.Panel), {"bl_idname": name, **place, **below, **closed}))
    return found


PANELS = _panels()


def _draw_switch(layout: Any, state: ServerState) -> None:
    row = layout.row()
    row.scale_y = 1.4
    if state.is_on:
        row.operator("gltf_render_server.stop", icon="SNAP_FACE")
    else:
        row.enabled = state.phase is not Phase.STOPPING
        row.operator("gltf_render_server.start", icon="PLAY")


def _draw_address(layout: Any, state: ServerState) -> None:
    row = layout.row(align=True)
    row.operator("gltf_render_server.copy_address", text=state.url.removeprefix("http://"), icon="COPYDOWN")
    row.operator("gltf_render_server.open_address", text="", icon="URL")
    layout.operator("gltf_render_server.copy_snippet", icon="SCRIPT")
    layout.label(text=f"Up for {_clock(state.uptime_s)}")
    if state.ready is not None:
        layout.label(text=f"Blender {state.ready.blender}, {state.ready.engine} on {state.ready.device}")


def _draw_test(layout: Any) -> None:
    column = layout.column(align=True)
    column.row(align=True).prop(lists(), "test_type", expand=True)
    column.operator("gltf_render_server.send_test", icon="RENDER_STILL")


def _draw_update(layout: Any) -> None:
    row = layout.row()
    is_outdated = handed_over.is_outdated
    row.alert = is_outdated
    row.operator("gltf_render_server.update", icon="ERROR" if is_outdated else "FILE_REFRESH")
    since = ", which has changed since" if is_outdated else ""
    _draw_text(layout, f"The server has the scene of {controller.state.scene_time}{since}", icon="BLANK1")


def _is_background(own: Any) -> bool:
    """Return whether a background process renders, or would render."""
    return bool(controller.state.scene_time) if controller.state.is_on else own.mode == "BACKGROUND"


def _draw_answered(layout: Any, answered: Iterable[Answered]) -> None:
    answered = list(answered)
    if not answered:
        layout.label(text="No request has been answered yet")
    for index, line in enumerate(answered):
        column = layout.column(align=True)
        row = column.row()
        size = f" {line.width} x {line.height}" if line.width else ""
        icon = "ERROR" if line.message else "CHECKMARK"
        row.label(text=f"{line.image_type or 'request'}{size}, {line.seconds:.2f} s", icon=icon)
        if line.picture:
            row.operator("gltf_render_server.show_answer", text="", icon="IMAGE_DATA").index = index
        column.label(text=f"{line.status} to {line.client}", icon="BLANK1")
        if line.message:
            _draw_text(column, line.message, icon="BLANK1", most=_REASON_LINES)


def _draw_passes(column: Any, session: Any) -> None:
    """Draw the choice of pass and view for the selected request."""
    row = column.row(align=True)
    row.prop(session, "shown_pass", text="")
    row.operator("gltf_render_server.show_pass", icon="IMAGE_RGB")
    if session.has_kept_selection and len(session.kept[session.kept_index].views) > 1:
        column.prop_search(session, "shown_view", session.kept[session.kept_index], "views", text="View")


def _draw_boxes(layout: Any, own: Any, kind: str) -> None:
    """Draw a checkbox for each pass or format."""
    try:
        names = choices_of(kind)
    except ImportError as error:
        _draw_text(layout.box(), advice(error), icon="ERROR")
        return
    layout.label(text=f"{kind.title()}:")
    grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
    grid.use_property_split = False
    for index, name in enumerate(names):
        grid.prop(own, kind, index=index, text=name)


def _draw_finding(box: Any, index: int, finding: Any) -> None:
    _draw_text(box, finding.text, icon="INFO")
    row = box.row(align=True)
    if finding.can_select:
        row.operator("gltf_render_server.select_finding", icon="RESTRICT_SELECT_OFF").index = index
    if finding.mend:
        row.operator("gltf_render_server.mend_finding", text=finding.mend, icon="MODIFIER").index = index


def _draw_text(layout: Any, text: str, icon: str, most: int = _MOST_LINES) -> None:
    """Draw a text in as many lines as it needs, because Blender would truncate it."""
    column = layout.column(align=True)
    for number, line in enumerate(_lines(text, most)):
        column.label(text=line, icon="BLANK1" if number else icon)


def _draw_fact(layout: Any, name: str, value: str) -> None:
    """Draw a fixed value in the place of a setting."""
    split = layout.split(factor=0.4)
    names = split.row()
    names.alignment = "RIGHT"
    names.label(text=name)
    split.label(text=value)


def _lines(text: str, most: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, _LINE_CHARACTERS, max_lines=most, placeholder=" ...") or [""]


def _status_text(state: ServerState) -> str:
    if not state.is_busy:
        return str(state.phase)
    if state.is_held:
        return f"{len(state.waiting)} waiting until your own work is done"
    waiting = len(state.waiting) - 1
    return f"Rendering, {waiting} waiting" if waiting else "Rendering"


def _status_icon(state: ServerState) -> str:
    if state.is_busy:
        return "TIME" if state.is_held else "RENDER_STILL"
    return "ERROR" if state.message else _ICONS[state.phase]


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
