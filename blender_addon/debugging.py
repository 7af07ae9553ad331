"""Temporary."""
import bpy
class ImportKept(bpy.types.Operator):
    bl_idname = "gltf_render_server.import_kept"
    bl_label = "Import"
class RenderAgain(bpy.types.Operator):
    bl_idname = "gltf_render_server.render_again"
    bl_label = "Render Again"
class ExportBlend(bpy.types.Operator):
    bl_idname = "gltf_render_server.export_blend"
    bl_label = "Export .blend"
class ExportFolder(bpy.types.Operator):
    bl_idname = "gltf_render_server.export_folder"
    bl_label = "Export Folder"
class ClearKept(bpy.types.Operator):
    bl_idname = "gltf_render_server.clear_kept"
    bl_label = "Clear"
