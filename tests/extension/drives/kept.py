"""Keep requests, and do with them what the panel offers."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import OUT, Answer, controller, drive, phase, preferences, press, report, until, window


def script():
    scene = window().scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 2
    scene.gltf_render_server.mode = "WINDOW"
    for item in list(scene.objects):
        bpy.data.objects.remove(item)
    preferences().port = 0
    preferences().keep_folder = str(OUT / "kept")
    preferences().keep_requests = True
    preferences().keep_count = 3
    press("start")
    yield from phase("Running")
    yield from ask("depth", "color", "label", "color")
    yield from ask("color", focal_x="-1")
    lists = bpy.context.window_manager.gltf_render_server
    report["kept"] = [[entry.label.split()[1], entry.failed] for entry in lists.kept]
    preferences().keep_requests = False
    lists.kept_index = 1
    yield from render_again()
    export()
    import_kept(scene)
    press("clear_kept")
    report["cleared"] = len(lists.kept)
    press("stop")
    yield from phase("Stopped")


def ask(*kinds, **changes):
    for kind in kinds:
        answer = Answer(kind, **changes)
        yield from answer.wait()
        report.setdefault("statuses", []).append(answer.status)
        yield 0.1


def render_again():
    press("render_again")
    yield from until(lambda: bool(controller().state.note))
    report["again"] = controller().state.note
    report["comparison"] = list(bpy.data.images["Stored | Now"].size)


def export():
    press("export_blend", filepath=str(OUT / "exported.blend"))
    press("export_folder", directory=str(OUT / "exported"))
    [folder] = (OUT / "exported").iterdir()
    report["exported"] = sorted(path.name for path in folder.iterdir())
    with bpy.data.libraries.load(str(OUT / "exported.blend")) as (held, _):
        report["blend"] = [len(held.scenes), sorted(held.cameras), len(held.meshes)]


def import_kept(scene):
    press("import_kept")
    scene.render.filepath = str(OUT / "imported.png")
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    report["size"] = [scene.render.resolution_x, scene.render.resolution_y]
    report["collections"] = sorted(scene.collection.children.keys())
    with bpy.context.temp_override(window=window()):
        bpy.ops.render.render(write_still=True)


drive(script)
