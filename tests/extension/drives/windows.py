"""Two windows with a scene each: what is served, and of what a dataset is made, pressed in the second one."""

import json
import struct
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import (
    EXTENSION,
    OUT,
    Answer,
    begin,
    controller,
    drive,
    phase,
    preferences,
    report,
    until,
    window,
)


def script():
    yield from begin()
    first, second = window().scene, bpy.data.scenes.new("Second")
    first.name = "First"
    item = bpy.data.objects.new("Only here", bpy.data.objects["Cube"].data)
    second.collection.objects.link(item)
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.window_new_main()
    yield 1.0
    other = bpy.context.window_manager.windows[1]
    other.scene = second
    preferences().port = 0
    second.render.engine = "BLENDER_WORKBENCH"
    second.gltf_render_server.quality = "FINAL"
    first.gltf_render_server.quality = "DRAFT"
    yield from serve_from(other)
    yield from show_in_the_window(other)
    yield from write_dataset_of(other)


def serve_from(other):
    press(other, "start")
    yield from phase("Running")
    report["quality"] = controller()._options["GLTF_RENDER_SERVER_QUALITY"]
    report["pending"] = [pending(window()), pending(other)]
    report["handed_over"] = scene_of(sys.modules[f"{EXTENSION}.launch"].blend_file())
    press(other, "stop")
    yield from phase("Stopped")


def show_in_the_window(other):
    """The client's objects come into the scene that is served, although the other window is in use."""
    window().scene.gltf_render_server.mode = "WINDOW"
    press(other, "start")
    yield from phase("Running")
    answer = Answer("depth")
    yield from answer.wait()
    report["status"] = answer.status
    report["shown_in"] = [
        scene.name for scene in bpy.data.scenes if "glTF Client" in scene.collection.children
    ]
    press(other, "stop")
    yield from phase("Stopped")


def write_dataset_of(other):
    own = other.scene.gltf_render_server.dataset
    own.folder, own.passes_names, own.light = str(OUT / "dataset"), "depth", "FILE"
    press(other, "write_dataset")
    yield from until(lambda: not sys.modules[f"{EXTENSION}.dataset_job"].current, 100)
    report["told"] = controller().state.note or controller().state.message
    data = (OUT / "dataset" / "scene.glb").read_bytes()
    [length] = struct.unpack("<I", data[12:16])
    report["exported"] = [node["name"] for node in json.loads(data[20 : 20 + length])["nodes"]]
    report["lit_by"] = scene_of(OUT / "dataset" / "light.blend")


def press(where, name):
    with bpy.context.temp_override(window=where):
        getattr(bpy.ops.gltf_render_server, name)()


def pending(where):
    with bpy.context.temp_override(window=where):
        return controller().has_other_options


def scene_of(file):
    """Name the scene with which another Blender opens a file."""
    say = "import bpy; print('OPENED', bpy.context.scene.name)"
    command = [bpy.app.binary_path, "-b", "--factory-startup", str(file), "--python-expr", say]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True).stdout
    return next(line.split()[1] for line in printed.splitlines() if line.startswith("OPENED"))


drive(script)
