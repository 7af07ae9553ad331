"""Use the add-on at random for a while, as somebody at work would; tell what of theirs has changed."""

import hashlib
import json
import os
import random
import resource
import shutil
import sys
import time
import traceback
import zipfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import (
    EXTENSION,
    OUT,
    Answer,
    controller,
    drive,
    phase,
    preferences,
    press,
    report,
    until,
    window,
)

SECONDS = float(os.environ["DRIVE_SECONDS"])
SEED = int(os.environ["DRIVE_SEED"])
HAS_WINDOW = not bpy.app.background

KINDS = ("color", "depth", "label")
OWN = {"Wall", "Lamp", "Own Camera", "Target", "Child"}
BROUGHT = ("glTF Client", "Render Camera")
FILE = str(OUT / "room.blend")
KEPT = OUT / "kept"

chance = random.Random(SEED)
problems: list[str] = []
counts: dict[str, int] = {}
memory_mb: list[int] = []
answers: dict[tuple[str, str], bytes] = {}


def script():
    make_room()
    preferences().port = 0
    preferences().keep_folder = str(KEPT)
    preferences().keep_count = 3
    preferences().keep_requests = True
    add_foreign_folder()
    report["render"] = rendered()
    bpy.ops.wm.save_as_mainfile(filepath=FILE)
    yield from start("WINDOW")
    end_s = time.monotonic() + SECONDS
    waiting: list = []
    while time.monotonic() < end_s or sum(counts.values()) <= len(ACTIONS):
        if not waiting:  # each in turn, so that none is left out
            waiting = chance.sample(ACTIONS, len(ACTIONS))
        yield from carry_out(waiting.pop())
    press("stop")
    yield from phase("Stopped")
    check("the end")
    report.update(
        problems=problems, counts=counts, memory_mb=memory_mb, left=brought(), foreign=foreign_files()
    )


def carry_out(action):
    """Do one thing, and see that nothing of the user's is different after it."""
    name = action.__name__
    before = fingerprint()
    try:
        yield from action()
        yield from until(lambda: controller().state.phase == "Running", 100)
    except Exception:  # noqa: BLE001  the report tells it
        problems.append(f"{name}: {traceback.format_exc()}")
    check(name, before)
    counts[name] = counts.get(name, 0) + 1
    memory_mb.append(resident_mb())


def check(name, before=None):
    now = fingerprint()
    if before is not None and now != before:
        changed = {key: (before.get(key), now.get(key)) for key in {*before, *now}}
        problems.append(f"{name}: { ({key: pair for key, pair in changed.items() if pair[0] != pair[1]}) }")
    strangers = [
        item.name for item in bpy.data.objects if item.name not in OWN and item.name not in brought()
    ]
    if strangers:
        problems.append(f"{name}: left {strangers}")
    if "Failed to" in controller().state.message:
        problems.append(f"{name}: {controller().state.message}")
    if len(problems) > 20:
        raise RuntimeError("\n".join(problems))


# what the user has


def make_room():
    """A wall, a lamp, a camera, and an empty that follows another; nothing of it is random."""
    scene = window().scene
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    mesh = bpy.data.meshes.new("Wall")
    mesh.from_pydata([(-2, -2, 0), (-2, 2, 0), (-2, 2, 2), (-2, -2, 2)], [], [(0, 1, 2, 3)])
    mesh.materials.append(bpy.data.materials.new("Plaster"))
    data = {"Wall": mesh, "Lamp": bpy.data.lights.new("Lamp", "SUN")}
    data |= {"Own Camera": bpy.data.cameras.new("Own Camera"), "Target": None, "Child": None}
    for name, of_it in data.items():
        scene.collection.objects.link(bpy.data.objects.new(name, of_it))
    bpy.data.objects["Own Camera"].location = (3, 0, 1)
    bpy.data.objects["Own Camera"].rotation_euler = (1.3, 0, 1.57)
    bpy.data.objects["Child"].parent = bpy.data.objects["Target"]
    bpy.data.objects["Child"].constraints.new("TRACK_TO").target = bpy.data.objects["Wall"]
    scene.camera = bpy.data.objects["Own Camera"]
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 2
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 64, 48


def fingerprint():
    """Say all of the user's that could be changed."""
    scene = window().scene
    render, layer = scene.render, window().view_layer
    told = {
        "scene": (scene.name, scene.camera and scene.camera.name, scene.world and scene.world.name),
        "render": (render.engine, render.resolution_x, render.resolution_y, render.filepath),
        "samples": (scene.cycles.samples, render.use_persistent_data, scene.frame_current),
        "scenes": len(bpy.data.scenes),
        "materials": sorted(item.name for item in bpy.data.objects["Wall"].data.materials),
        "markers": len(scene.timeline_markers),
    }
    for name in OWN:
        item = bpy.data.objects[name]
        told[name] = (
            item.name in scene.collection.objects,
            tuple(tuple(row) for row in item.matrix_basis),
            item.parent and item.parent.name,
            [constraint.target and constraint.target.name for constraint in item.constraints],
            item.hide_render,
            item.mode,
            item.select_get(view_layer=layer),
            sorted(set(item.keys()) - {"cycles"}),  # Cycles' own, which Blender 4.5 adds at a render
        )
    vertices = [tuple(vertex.co) for vertex in bpy.data.objects["Wall"].data.vertices]
    return {**told, "vertices": vertices}


def brought():
    return [item.name for item in bpy.data.objects if item.name.startswith(BROUGHT)]


def add_foreign_folder():
    folder = KEPT / "holiday"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text('{"where": "at the sea"}')
    (folder / "beach.png").write_bytes(b"sand")


def foreign_files():
    return sorted(path.name for path in (KEPT / "holiday").iterdir())


def rendered():
    """Render as F12 does; return a digest of the picture."""
    scene = window().scene
    path, before = OUT / "own.png", (scene.render.filepath, scene.render.image_settings.file_format)
    scene.render.filepath, scene.render.image_settings.file_format = str(path), "PNG"
    with bpy.context.temp_override(window=window()):
        bpy.ops.render.render(write_still=True)
    scene.render.filepath, scene.render.image_settings.file_format = before
    with path.open("rb") as file:
        return hashlib.sha256(_pixels(file.read())).hexdigest()


def _pixels(png: bytes) -> bytes:
    """Return a PNG without what says when it was made."""
    start, end = png.index(b"IDAT"), png.rindex(b"IEND")
    return png[start:end]


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


# what the user does


def start(mode):
    window().scene.gltf_render_server.mode = mode
    press("start")
    yield from phase("Running")


def ask(kind=None, status=200, **changes):
    kind = kind or chance.choice(KINDS)
    answer = Answer(kind, **changes)
    yield from answer.wait()
    if answer.status != status:
        problems.append(f"{kind}: {answer.status} {answer.body[:300]!r}")
    yield 0.1
    return answer.body


def mode_now():
    """Say where the server is; a file that is opened says what it likes."""
    return "BACKGROUND" if controller().state.scene_time else "WINDOW"


def request():
    """The same request has the same answer, whatever was done since."""
    kind = chance.choice(KINDS)
    body = yield from ask(kind)
    if answers.setdefault((mode_now(), kind), body) != body:
        problems.append(f"{kind} in {mode_now()}: another answer than before")


def refused_request():
    yield from ask("color", status=400, focal_x="-1")


def switch_place():
    if not HAS_WINDOW:  # there is no program for a background server
        return
    other = "BACKGROUND" if mode_now() == "WINDOW" else "WINDOW"
    press("stop")
    yield from phase("Stopped")
    yield from start(other)
    yield from ask()


def in_this_window():
    """Go where the client's objects are seen, and have some."""
    if mode_now() != "WINDOW":
        yield from switch_place()
    yield from ask()


def undo_and_redo():
    yield from in_this_window()
    if not HAS_WINDOW:
        return
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo_push(message="Before")
        bpy.data.objects["Wall"].location.x += 1
        bpy.ops.ed.undo_push(message="Moved")
    yield from ask()
    for action in chance.choice([("undo",), ("undo", "redo", "undo")]):
        with bpy.context.temp_override(window=window()):
            getattr(bpy.ops.ed, action)()
        yield from ask()


def open_a_file():
    mode = mode_now()
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.open_mainfile(filepath=FILE, load_ui=False)
    window().scene.gltf_render_server.mode = mode
    yield 0.2
    yield from ask()


def new_file_and_back():
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.read_homefile(load_ui=False, app_template="")
    yield 0.2
    window().scene.render.engine = "CYCLES"
    window().scene.cycles.samples = 1
    yield from ask("depth")
    yield from open_a_file()


def save_a_copy():
    yield from in_this_window()
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.save_as_mainfile(filepath=str(OUT / "copy.blend"), copy=True)
    with bpy.data.libraries.load(str(OUT / "copy.blend")) as (saved, _):
        if set(saved.objects) != OWN:
            problems.append(f"saved: {saved.objects}")


def own_render():
    yield from in_this_window()
    if rendered() != report["render"]:
        problems.append("the user's own render shows something else")


def edit_and_sculpt():
    item = bpy.data.objects["Wall"]
    for mode in ("EDIT", "SCULPT", "VERTEX_PAINT"):
        set_mode(item, mode)
        yield from ask()
        if bpy.data.objects["Wall"].mode != mode:
            problems.append(f"{mode} was left")
        set_mode(item, "OBJECT")
    item.select_set(False, view_layer=window().view_layer)


def set_mode(item, mode):
    with bpy.context.temp_override(window=window()):
        window().view_layer.objects.active = item
        bpy.ops.object.mode_set(mode=mode)


def shown_meshes():
    return [item for item in bpy.data.objects if item.name.startswith("glTF Client Mesh")]


def copy_a_guest():
    """Shift+D, then some requests."""
    yield from in_this_window()
    twin = shown_meshes()[0].copy()
    twin.data = twin.data.copy()
    twin.name = twin.data.name = "Mine"
    for home in shown_meshes()[0].users_collection:
        home.objects.link(twin)
    OWN.add("Mine")
    for _ in range(2):
        yield from ask()
    OWN.discard("Mine")
    twin = bpy.data.objects.get("Mine")
    if twin is None or not twin.data.vertices or twin.name not in window().scene.collection.objects:
        problems.append("the copy of a client's object is gone")
    else:
        bpy.data.batch_remove([twin.data])
        bpy.data.batch_remove([item for item in bpy.data.objects if item.name == "Mine"])


def refer_to_guests():
    yield from in_this_window()
    own, scene = bpy.data.objects["Target"], window().scene
    own.parent = shown_meshes()[0]
    own.constraints.new("COPY_LOCATION").target = shown_meshes()[-1]
    scene.camera = next(item for item in bpy.data.objects if item.name.startswith("Render Camera"))
    for _ in range(2):
        yield from ask()
        if None in (own.parent, own.constraints[0].target, scene.camera):
            problems.append("a reference to a client's object is gone")
    own.parent = None
    own.constraints.clear()
    scene.camera = bpy.data.objects["Own Camera"]


def edit_a_guest():
    yield from in_this_window()
    item = shown_meshes()[0]
    item.name = "Edited"
    OWN.add("Edited")
    set_mode(item, "EDIT")
    yield from ask()
    set_mode(bpy.data.objects["Edited"], "OBJECT")
    yield from ask()
    OWN.discard("Edited")
    bpy.data.batch_remove([bpy.data.objects["Edited"]])


def delete_folders():
    """Remove all that the add-on has on disk, while it serves."""
    for path in KEPT.iterdir():
        if path.name != "holiday":
            path.unlink()
    shutil.rmtree(Path(bpy.app.tempdir) / "gltf_render_server", ignore_errors=True)
    lists = bpy.context.window_manager.gltf_render_server
    if lists.has_kept_selection:
        refused(
            chance.choice(["import_kept", "render_again", "export_folder"])
        )  # then the list is read again
    if mode_now() == "BACKGROUND":  # whose scene is gone
        yield from ask(status=500)
        press("update")
        yield 0.5
        yield from phase("Running")
    yield from ask()


def refused(button, **options):
    try:
        press(button, **options)
    except RuntimeError as error:
        if "is gone" not in str(error):
            problems.append(f"{button}: {error}")


def damage_what_is_kept():
    for path in KEPT.iterdir():
        if path.name != "holiday":
            about = {"kept": path.name, "status": chance.choice([None, "", [1], 200])}
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("about.json", json.dumps(about))
    yield from ask()
    press("check")


def delete_all_kept():
    yield from ask()
    if bpy.context.window_manager.gltf_render_server.kept:
        press("clear_kept")
    if sorted(path.name for path in KEPT.iterdir()) != ["holiday"]:
        problems.append(f"kept: {sorted(path.name for path in KEPT.iterdir())}")


def select_and_export():
    """What is selected stays so while requests come in."""
    yield from ask()
    lists = bpy.context.window_manager.gltf_render_server
    lists.kept_index = 0
    chosen = Path(lists.kept[0].path).stem
    for _ in range(2):
        yield from ask()
    shutil.rmtree(OUT / "exported", ignore_errors=True)
    for _ in range(2):
        press("export_folder", directory=str(OUT / "exported"))
    exported = sorted(path.name for path in (OUT / "exported").iterdir())
    if exported != [chosen, f"{chosen}-2"]:
        problems.append(f"exported {exported} where {chosen} was chosen")


def render_again():
    yield from ask("depth")
    if not HAS_WINDOW:  # to show the picture in
        return
    lists = bpy.context.window_manager.gltf_render_server
    lists.kept_index = 0
    kept, controller().state.note = sorted(KEPT.iterdir()), ""
    press("render_again")
    yield from until(lambda: bool(controller().state.note))
    if controller().state.note != "Render Again: The same, byte for byte" or sorted(KEPT.iterdir()) != kept:
        problems.append(f"{controller().state.note}; kept {kept}, then {sorted(KEPT.iterdir())}")


def import_and_undo():
    yield from ask("color")
    if not HAS_WINDOW:
        return
    bpy.context.window_manager.gltf_render_server.kept_index = 0
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo_push(message="Before")
        press("import_kept")
        bpy.ops.ed.undo_push(message="Imported")
        bpy.ops.ed.undo()
    yield from ask()


def timer_fails():
    """What goes wrong on the main thread is told, and the server goes on."""
    server = controller()._server

    def fail():
        del server.work
        raise KeyError("number")

    server.work = fail
    yield from until(lambda: "work" not in vars(server))
    yield 0.1
    if "Failed to render what waits (KeyError: 'number')" not in controller().state.message:
        problems.append(f"told: {controller().state.message}")
    controller().state.message = ""
    yield from ask()


def switch_off_and_on():
    mode = mode_now()
    bpy.ops.preferences.addon_disable(module=EXTENSION)
    if brought():
        problems.append(f"switched off: {brought()}")
    bpy.ops.preferences.addon_enable(module=EXTENSION)
    preferences().port = 0
    preferences().keep_folder = str(KEPT)
    preferences().keep_count = 3
    preferences().keep_requests = True
    yield from start(mode)
    yield from ask()


ACTIONS = [
    request,
    request,
    request,
    refused_request,
    switch_place,
    undo_and_redo,
    open_a_file,
    new_file_and_back,
    save_a_copy,
    own_render,
    edit_and_sculpt,
    copy_a_guest,
    refer_to_guests,
    edit_a_guest,
    delete_folders,
    damage_what_is_kept,
    delete_all_kept,
    select_and_export,
    render_again,
    import_and_undo,
    timer_fails,
    switch_off_and_on,
]

drive(script)
