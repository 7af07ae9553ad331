"""Exports a copy of the user's file in a separate Blender: the scene as GLB, its specification, a preview.

The user's session is not affected. The open file is a copy that was saved for this purpose, and is modified
freely.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import bpy
from msgspec import structs

from .dataset_choices import FILE_LIGHT
from .dataset_specification import LIGHT, PREVIEW, RESULT, SCENE, SPECIFICATION, make_specification, to_toml
from .events import Failed, to_line
from .gltf_render_server.dataset.cameras import DocumentPoses
from .gltf_render_server.dataset.engines.local import LocalEngine
from .gltf_render_server.dataset.making import renderer_settings
from .gltf_render_server.dataset.planning import Plan
from .gltf_render_server.dataset.report.previewing import preview
from .gltf_render_server.dataset.specification import convert
from .gltf_render_server.errors import RenderServerError
from .rendered import gltf_knows_light, layer_collections, objects, used_layers

__all__ = ["run"]

_ORIENTATION = "_Orientation"  # the exporter's node for a camera that has children
_PREVIEW_ITEMS = 6


def run(answers: BinaryIO, job_file: Path) -> None:
    """Write a job's files beside its file, and end this process, also if the parent has ended.

    Parameters
    ----------
    answers : binary file
        Receives the event `Failed` if nothing can be made.
    job_file : Path
        The job; see `dataset_choices.job_of`. Its entry ``preview`` says whether a preview is wanted.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = _made(json.loads(job_file.read_text()), job_file.parent)
        (job_file.parent / RESULT).write_text(json.dumps(result))
    except (RenderServerError, OSError, RuntimeError) as error:
        answers.write(to_line(Failed(str(error))))
        answers.flush()
        os._exit(2)
    os._exit(0)  # Blender's own exit sometimes hangs


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(3)


def _made(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    scene = bpy.data.scenes[job["scene"]]
    if bpy.context.window is not None:
        bpy.context.window.scene = scene  # one file has one for each window
    animation = _animation(scene) if job["animation"] else None
    lights = [item for item in objects(scene) if item.type == "LIGHT"]
    _show_what_renders(scene, job)
    _export(scene, folder / SCENE, job)
    cameras = _cameras_of(folder / SCENE, job["cameras"])
    if job["light"] == FILE_LIGHT:
        _keep_light_alone(lights)
        bpy.ops.wm.save_as_mainfile(filepath=os.fspath(folder / LIGHT), copy=True, compress=True)
    made = make_specification(job, cameras, animation)
    # Without formats, because their requirements may be missing in Blender. Only the command line program
    # needs them.
    plan = Plan(convert({**made, "formats": []}, SPECIFICATION), folder)
    (folder / SPECIFICATION).write_text(to_toml(made, job["remark"]), encoding="utf-8")
    result: dict[str, Any] = {"items": len(plan), "remarks": []}
    if job["preview"]:
        result["remarks"] = _preview(_of_each_camera(plan), folder / PREVIEW)
    return result


def _animation(scene: Any) -> dict[str, float]:
    """Return how to sample the exported animation. It begins at 0, which is the first frame."""
    frames = len(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
    fps = scene.render.fps / scene.render.fps_base / scene.frame_step
    return {"fps": fps, "start_s": 0.0, "duration_s": frames / fps}


def _show_what_renders(scene: Any, job: Mapping[str, Any]) -> None:
    """Make exactly the rendered objects and the chosen cameras visible, because the exporter goes by that."""
    layer = used_layers(scene)[0]
    if (window := bpy.context.window) is not None:
        window.view_layer = layer
    for collection in layer_collections(layer):
        collection.hide_viewport = collection.collection.hide_viewport = False
    wanted = set(objects(scene))
    for name in job["cameras"]:
        camera = bpy.data.objects[name]
        wanted.add(camera)
        if name not in layer.objects:
            scene.collection.objects.link(camera)
    has_own_light = job["light"] == FILE_LIGHT
    for item in scene.objects:
        is_shown = item in wanted and (item.type != "CAMERA" or item.name in job["cameras"])
        if item.type == "LIGHT":
            is_shown = is_shown and not has_own_light and gltf_knows_light(item)
        item.hide_render = not is_shown
        if is_shown and item.name in layer.objects:
            item.hide_viewport = False
            item.hide_set(False, view_layer=layer)
    render = scene.render  # a camera's vertical field of view depends on the aspect ratios
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.resolution_x, render.resolution_y, render.resolution_percentage = job["width"], job["height"], 100
    if layer.objects.active is not None and layer.objects.active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def _export(scene: Any, path: Path, job: Mapping[str, Any]) -> None:
    """Export the scene as a GLB with Blender's own exporter."""
    is_animated = job["animation"]
    wanted = {
        "filepath": os.fspath(path),
        "export_format": "GLB",
        "check_existing": False,
        "use_active_scene": True,
        "use_renderable": True,
        "export_yup": True,
        "export_apply": True,
        "export_extras": True,
        "export_cameras": bool(job["cameras"]),
        "export_lights": job["light"] != FILE_LIGHT,
        "export_animations": is_animated,
        "export_animation_mode": "SCENE",
        "export_anim_scene_split_object": False,
        "export_anim_slide_to_zero": True,
        "export_negative_frame": "SLIDE",
        "export_force_sampling": True,
        "export_current_frame": not is_animated,
        "export_rest_position_armature": False,
    }
    try:
        done = bpy.ops.export_scene.gltf(**wanted)
    except (AttributeError, TypeError) as error:
        raise RuntimeError(
            f"Blender's glTF exporter cannot be used ({error}): is the add-on glTF 2.0 format there?"
        ) from error
    if "FINISHED" not in done or not path.exists():
        raise RuntimeError("Blender's glTF exporter did not write the scene; the console tells why")


def _cameras_of(path: Path, wanted: Sequence[str]) -> dict[str, str]:
    """Return the name of the node that contains each requested camera."""
    with path.open("rb") as file:
        _, _, _, length, _ = struct.unpack("<5I", file.read(20))
        nodes = json.loads(file.read(length)).get("nodes", [])
    held = [node.get("name", "") for node in nodes if "camera" in node]
    found = {name: name if name in held else name + _ORIENTATION for name in wanted}
    if missing := [name for name, node in found.items() if held.count(node) != 1]:
        raise RuntimeError(f"the camera {missing[0]} could not be exported: choose other cameras, or Orbit")
    return found


def _keep_light_alone(lights: Sequence[Any]) -> None:
    """Keep only the lights, the world and the render settings, because all else is in the GLB."""
    places = {light: light.matrix_world.copy() for light in lights}
    for light, place in places.items():
        light.hide_render = False
        light.parent = None
        light.constraints.clear()
        light.animation_data_clear()
        light.matrix_world = place
    for item in list(bpy.data.objects):
        if item not in places:
            bpy.data.objects.remove(item)
    bpy.ops.outliner.orphans_purge(do_local_ids=True, do_linked_ids=True, do_recursive=True)
    bpy.ops.file.pack_all()


def _of_each_camera(plan: Plan) -> Plan:
    """Return a plan with one camera per item, instead of all cameras of the scene in one item."""
    specification = plan.specification
    if len(plan) > 1 or len(specification.cameras) == 1:
        return plan
    first = specification.cameras[0]
    camera = structs.replace(
        first, poses=DocumentPoses(), count=len(specification.cameras), center_x=None, center_y=None
    )
    return Plan(structs.replace(specification, cameras=[camera]), plan.folder)


def _preview(plan: Plan, path: Path) -> list[str]:
    """Write a preview of a few items, and return the reasons why others cannot be shown."""
    with closing(LocalEngine(renderer_settings(plan, workers=0))) as engine:
        return preview(plan, engine, path, _PREVIEW_ITEMS)
