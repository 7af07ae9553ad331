"""Temporary."""
import bpy
class CheckScene(bpy.types.Operator):
    bl_idname = "gltf_render_server.check"
    bl_label = "Check Scene"
class SelectFinding(bpy.types.Operator):
    bl_idname = "gltf_render_server.select_finding"
    bl_label = "Select"
    index: bpy.props.IntProperty()
class MendFinding(bpy.types.Operator):
    bl_idname = "gltf_render_server.mend_finding"
    bl_label = "Mend"
    index: bpy.props.IntProperty()
