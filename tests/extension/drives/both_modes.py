"""Serve from the background, where there is a program for it, and from this Blender; tell what came."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import OUT, Answer, controller, drive, names, phase, preferences, press, report, window

TYPES = ("color", "depth", "label")


def script():
    make_room()
    preferences().port = 0
    before = names()
    modes = ["WINDOW"] if bpy.app.background else ["BACKGROUND", "WINDOW"]
    for mode in modes:
        yield from serve(mode)
        report[mode]["left"] = {
            kind: sorted(set(found) ^ set(before[kind]))
            for kind, found in names().items()
            if found != before[kind]
        }


def serve(mode):
    told = report[mode] = {}
    window().scene.gltf_render_server.mode = mode
    told["start"] = press("start")
    yield from phase("Running")
    for kind in TYPES:
        answer = Answer(kind)
        yield from answer.wait()
        told[kind] = answer.status
        (OUT / f"{mode}_{kind}").write_bytes(answer.body)
    answer = Answer("color", focal_x="-1")
    yield from answer.wait()
    told["refused"] = [answer.status, controller().state.message]
    told["answered"] = [[line.image_type, line.status, line.width] for line in controller().state.answered]
    told["state"] = state_of_the_user()
    if mode == "WINDOW":
        yield from fail_to_render(told)
    press("stop")
    yield from phase("Stopped")


def fail_to_render(told):
    """Render what Blender refuses to: a scene whose compositor has no output."""
    scene = window().scene
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Nothing", "CompositorNodeTree")
    else:
        scene.use_nodes = True
        scene.node_tree.nodes.clear()
    answer = Answer("color")
    yield from answer.wait()
    told["failed"] = [answer.status, controller().state.message]
    told["state_after_failure"] = state_of_the_user()
    if hasattr(scene, "compositing_node_group"):
        bpy.data.node_groups.remove(tree)
    else:
        scene.use_nodes = False


def make_room():
    """A wall, lit by a lamp and seen by a camera of the user's; saved for scripts/serve.py."""
    scene = window().scene
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    mesh = bpy.data.meshes.new("Wall")
    mesh.from_pydata([(-2, -2, 0), (-2, 2, 0), (-2, 2, 2), (-2, -2, 2)], [], [(0, 1, 2, 3)])
    lamp = bpy.data.lights.new("Lamp", "SUN")
    for name, data in (("Wall", mesh), ("Lamp", lamp), ("Own Camera", bpy.data.cameras.new("Own Camera"))):
        scene.collection.objects.link(bpy.data.objects.new(name, data))
    scene.camera = bpy.data.objects["Own Camera"]
    bpy.data.objects["Wall"].select_set(True)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 3
    bpy.ops.wm.save_as_mainfile(filepath=str(OUT / "room.blend"), copy=True)


def state_of_the_user():
    scene = window().scene
    return {
        "camera": scene.camera.name,
        "selected": [item.name for item in scene.objects if item.select_get(view_layer=window().view_layer)],
        "samples": scene.cycles.samples,
        "resolution": [scene.render.resolution_x, scene.render.resolution_y],
        "world": scene.world and scene.world.name,
        "scenes": sorted(bpy.data.scenes.keys()),
        "client": [item.name for item in bpy.data.collections if item.name == "glTF Client"],
    }


drive(script)
