"""Make a dataset of a scene: write its specification, preview it, cancel; nothing of the user's changes."""

import importlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from bpy_extras.object_utils import world_to_camera_view
from driving import (
    EXTENSION,
    OUT,
    begin,
    controller,
    drive,
    names,
    press,
    report,
    screenshot,
    show_sidebar,
    sidebar,
    until,
    view,
    window,
)


def script():
    yield from begin()
    furnish()
    report["refused"] = {"unsaved": refusal()}
    yield from write_orbit()
    yield from write_cameras()
    yield from write_animation()
    yield from preview()
    yield from cancel()
    refuse()
    yield from in_pictures()


def choices():
    return window().scene.gltf_render_server.dataset


def furnish():
    """A table with a moving ball, an area light, a camera with a child, and an object that renders hide."""
    scene = window().scene
    cube = bpy.data.objects["Cube"]
    cube.name, cube["category"] = "table", "furniture"
    cube.scale = (2, 2, 0.2)
    ball = bpy.data.objects.new("ball", bpy.data.meshes.new("ball"))
    import bmesh

    mesh = bmesh.new()
    bmesh.ops.create_uvsphere(mesh, u_segments=16, v_segments=8, radius=0.5)
    mesh.to_mesh(ball.data)
    mesh.free()
    scene.collection.objects.link(ball)
    ball.hide_set(True)  # the eye hides it here; renders show it
    for frame, x in ((1, -1.0), (11, 1.0)):
        ball.location = (x, 0, 1)
        ball.keyframe_insert("location", frame=frame)
    unseen = cube.copy()
    unseen.name, unseen.hide_render = "unseen", True
    scene.collection.objects.link(unseen)
    area = bpy.data.objects.new("area", bpy.data.lights.new("area", "AREA"))
    area.location, area.data.energy = (0, 0, 4), 200
    scene.collection.objects.link(area)
    camera = bpy.data.objects["Camera"]
    other = camera.copy()
    other.name = "Camera.001"
    other.data = camera.data.copy()
    other.data.sensor_fit, other.data.shift_x, other.data.shift_y = "VERTICAL", 0.2, -0.15
    scene.collection.objects.link(other)
    mark = bpy.data.objects.new("mark", None)
    mark.parent = camera
    scene.collection.objects.link(mark)
    scene.frame_start, scene.frame_end = 1, 11
    scene.frame_set(6)
    with bpy.context.temp_override(window=window()):
        bpy.context.view_layer.objects.active = cube
        cube.select_set(True)
        bpy.ops.object.mode_set(mode="EDIT")


def state():
    scene = window().scene
    layer = window().view_layer
    return {
        "names": names(),
        "mode": layer.objects.active.mode,
        "active": layer.objects.active.name,
        "selected": sorted(item.name for item in layer.objects if item.select_get()),
        "hidden": sorted(item.name for item in scene.objects if item.hide_get() or item.hide_viewport),
        "frame": scene.frame_current,
        "size": [scene.render.resolution_x, scene.render.resolution_y],
        "file": bpy.data.filepath,
        "dirty": bpy.data.is_dirty,
        "keys": sorted(scene.keys()),
        "matrices": {item.name: [list(row) for row in item.matrix_world] for item in scene.objects},
    }


def refusal(name="write_dataset", **options):
    try:
        press(name, **options)
    except RuntimeError as error:
        return str(error)
    return ""


def written(name, **chosen):
    """Write a specification into a folder of this name; return what is told."""
    own = choices()
    own.folder = str(OUT / name)
    for key, value in chosen.items():
        setattr(own, key, value)
    before = state()
    controller().show_message("")
    press("write_dataset")
    yield from until(told, limit_s=150)
    report.setdefault("changed", {})[name] = changed(before)
    report.setdefault("told", {})[name] = controller().state.note or controller().state.message
    report.setdefault("clipboard", {})[name] = bpy.context.window_manager.clipboard
    report.setdefault("files", {})[name] = sorted(path.name for path in (OUT / name).iterdir())


def told():
    return not jobs() and bool(controller().state.note or controller().state.message)


def jobs():
    return sys.modules[f"{EXTENSION}.dataset_job"].current


def changed(before):
    after = state()
    return {key: [before[key], after[key]] for key in before if before[key] != after[key]}


def write_orbit():
    size = {"width": 96, "height": 64, "quality": "preview"}
    yield from written("orbit", count=2, around="SELECTION", formats_names="coco nerfstudio", **size)
    report["refused"]["there"] = refusal()
    before = (OUT / "orbit" / "scene.glb").stat().st_mtime_ns
    controller().show_message("")
    press("write_dataset", replace=True)
    yield from until(told, limit_s=150)
    report["replaced"] = (OUT / "orbit" / "scene.glb").stat().st_mtime_ns > before


def write_cameras():
    yield from written(
        "cameras", cameras="ALL", light="FILE", formats_names="", passes_names="color instances"
    )
    render = window().scene.render
    kept = render.resolution_x, render.resolution_y
    render.resolution_x, render.resolution_y = choices().width, choices().height
    place = bpy.data.objects["table"].matrix_world.translation
    seen = [
        world_to_camera_view(window().scene, bpy.data.objects[name], place)
        for name in ("Camera", "Camera.001")
    ]
    report["seen"] = [[render.resolution_x * x, render.resolution_y * (1 - y)] for x, y, _ in seen]
    render.resolution_x, render.resolution_y = kept


def write_animation():
    yield from written("animation", cameras="ACTIVE", light="none", moments="ANIMATION")


def preview():
    own = choices()
    own.cameras, own.moments, own.around, own.count, own.light = "HEMISPHERE", "STILL", "SCENE", 6, "forest"
    own.width, own.height = 320, 240
    before = state()
    controller().show_message("")
    press("preview_dataset")
    is_occupied = importlib.import_module(f"{EXTENSION}.window").is_occupied
    report["requests_wait"] = is_occupied()
    yield from until(told, limit_s=150)
    yield 0.5
    report["preview"] = controller().state.note or controller().state.message
    report["changed"]["preview"] = {
        key: values for key, values in changed(before).items() if key not in ("names", "dirty")
    }
    image = bpy.data.images.get("Dataset Preview")
    report["sheet"] = list(image.size) if image else []
    if image:
        image.filepath_raw, image.file_format = str(OUT / "sheet.png"), "PNG"
        image.save()
    report["sheet_std"] = float(pixels(image).std()) if image else 0.0
    screenshot("preview")


def pixels(image):
    import numpy as np

    found = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(found)
    return found.reshape(-1, 4)[:, :3]


def cancel():
    choices().folder = str(OUT / "cancelled")
    controller().show_message("")
    press("write_dataset")  # and at once, for it takes but seconds
    window().event_simulate(type="ESC", value="PRESS", x=100, y=100)
    window().event_simulate(type="ESC", value="RELEASE", x=100, y=100)
    yield from until(lambda: not jobs())
    report["cancelled"] = controller().state.note
    report["left"] = sorted(path.name for path in (OUT / "cancelled").iterdir())


def refuse():
    own = choices()
    own.folder = str(OUT / "refused")
    own.passes_names = ""
    report["refused"]["no_pass"] = refusal()
    own.passes_names = "color depth instance instances"
    own.cameras, own.around = "ORBIT", "SELECTION"
    for item in window().view_layer.objects:
        item.select_set(item.name == "unseen")
    report["refused"]["no_selection"] = refusal("preview_dataset")
    own.cameras = "ACTIVE"
    camera, window().scene.camera = window().scene.camera, None
    report["refused"]["no_camera"] = refusal()
    window().scene.camera = camera
    own.cameras, own.around = "ORBIT", "SCENE"


def in_pictures():
    panels = sys.modules[f"{EXTENSION}.panels"].PANELS
    dataset = next(
        panel for panel in panels if panel.bl_space_type == "VIEW_3D" and "dataset" in panel.bl_idname
    )
    others = [panel for panel in panels if panel is not dataset and panel.bl_space_type == "VIEW_3D"]
    for panel in [*others, dataset]:
        bpy.utils.unregister_class(panel)
    dataset.bl_options = set()
    del dataset.bl_parent_id
    bpy.utils.register_class(dataset)
    choices().formats_names = "coco nerfstudio"
    choices().light = "forest"
    choices().width, choices().height, choices().count = 640, 480, 50
    choices().folder = "//dataset/"
    for other in list(bpy.context.window_manager.windows)[1:]:
        with bpy.context.temp_override(window=other):
            bpy.ops.wm.window_close()
    bpy.context.preferences.view.ui_scale = 0.8
    yield from show_sidebar()
    with bpy.context.temp_override(window=window(), area=view()):
        bpy.ops.screen.screen_full_area()
    yield from show_sidebar()
    yield 1.0
    screenshot("panel")
    report["sidebar"] = [sidebar().x, sidebar().y, sidebar().width, sidebar().height]
    for panel in others:
        bpy.utils.register_class(panel)


drive(script)
