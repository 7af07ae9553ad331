"""The buttons of the scene check."""

from __future__ import annotations

from typing import Any

import bpy

from .mending import mend, mend_name, where_linked
from .scene_check import find_trouble, objects_of
from .session import lists

__all__ = ["CheckScene", "MendFinding", "SelectFinding"]

_Result = set[Any]


class CheckScene(bpy.types.Operator):
    """Look for what in this scene would disturb serving it"""  # noqa: D400

    bl_idname = "gltf_render_server.check"
    bl_label = "Check Scene"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Run the check, and list the results."""
        findings = lists().findings
        findings.clear()
        for trouble in find_trouble(context.scene):
            finding = findings.add()
            finding.text, finding.kind, finding.target = trouble.text, trouble.kind, trouble.target
            finding.mend = mend_name(trouble.kind)
            finding.can_select = bool(objects_of(context.scene, trouble.kind, trouble.target))
        lists().checked = True
        self.report({"INFO"}, f"{len(findings) or 'Nothing'} found that would disturb serving")
        return {"FINISHED"}


class SelectFinding(bpy.types.Operator):
    """Select the objects that this is about"""  # noqa: D400

    bl_idname = "gltf_render_server.select_finding"
    bl_label = "Select"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  as Blender wants it

    index: bpy.props.IntProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether objects can be selected."""
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Select only these objects."""
        finding = lists().findings[self.index]
        here = context.view_layer.objects
        found = [
            item for item in objects_of(context.scene, finding.kind, finding.target) if item.name in here
        ]
        if not found:
            self.report({"WARNING"}, "It is not in this view layer; check the scene again")
            return {"CANCELLED"}
        for item in here:
            item.select_set(item in found)
        here.active = found[0]
        return {"FINISHED"}


class MendFinding(bpy.types.Operator):
    """Mend this, and check the scene again"""  # noqa: D400

    bl_idname = "gltf_render_server.mend_finding"
    bl_label = "Mend"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  as Blender wants it

    index: bpy.props.IntProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> _Result:
        """Fix the problem."""
        finding = lists().findings[self.index]
        kind, target = finding.kind, finding.target
        result, reason = {"FINISHED"}, ""
        try:
            if library := where_linked(context.scene, kind, target):
                reason = f"{target or context.scene.name} comes from {library}: mend it in that file"
            else:
                mend(context.scene, kind, target)
        except KeyError:
            reason = f"{target} is gone"
        bpy.ops.gltf_render_server.check()
        if reason:
            self.report({"WARNING"}, reason)
            result = {"CANCELLED"}
        return result
