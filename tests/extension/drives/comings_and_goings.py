"""Switch the add-on off and on, load files, undo and save while it serves; tell what was left."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import (
    EXTENSION,
    OUT,
    Answer,
    controller,
    drive,
    leftovers,
    names,
    phase,
    preferences,
    press,
    report,
    until,
    window,
)


def script():
    yield from load_undo_and_save()
    yield from switch_off_while_serving()
    switch(on=True)
    switch(on=False)
    report["left_again"] = leftovers()
    wheels = Path(bpy.utils.user_resource("EXTENSIONS")) / ".local"
    with bpy.context.temp_override(window=window()):
        bpy.ops.extensions.package_uninstall(repo_index=user_repository(), pkg_id="gltf_render_server")
    report["wheels_left"] = sorted(path.name for path in wheels.rglob("flask*"))
    report["installed"] = (
        Path(bpy.utils.user_resource("EXTENSIONS")) / "user_default/gltf_render_server"
    ).exists()


def load_undo_and_save():
    yield from serve("WINDOW")
    yield from ask("color")
    report["shown"] = client_objects()
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.save_as_mainfile(filepath=str(OUT / "saved.blend"), copy=True)
    with bpy.data.libraries.load(str(OUT / "saved.blend")) as (saved, _):
        report["saved"] = [name for name in saved.objects if "glTF" in name]
    yield from ask("color")
    if not bpy.app.background:
        yield from undo()
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.read_homefile(load_ui=False)
    yield 0.2
    yield from ask("depth")
    report["after_load"] = [controller().state.phase, len(client_objects())]
    press("stop")
    yield from phase("Stopped")


def undo():
    """An edit between two requests is undone, and nothing else is."""
    item = next(iter(window().scene.objects))
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo_push(message="Before")
        name, before = item.name, item.location.x
        item.location.x += 1
        bpy.ops.ed.undo_push(message="Moved")
        yield from ask("color")
        bpy.ops.ed.undo()
    report["undone"] = [bpy.data.objects[name].location.x - before, client_objects()]
    yield from ask("label")


def switch_off_while_serving():
    before = names()
    yield from serve("WINDOW" if bpy.app.background else "BACKGROUND", int(os.environ["DRIVE_PORT"]))
    address = controller().state.url.removeprefix("http://").split(":")
    yield from ask("depth")
    tick = controller()._timer._run
    report["ticks"] = [bpy.app.timers.is_registered(tick)]
    switch(on=False)
    report["ticks"].append(bpy.app.timers.is_registered(tick))
    yield from until(lambda: not leftovers()["threads"])  # they have been told to end
    report["left"] = leftovers()
    report["files_left"] = (Path(bpy.app.tempdir) / "gltf_render_server").exists()
    report["data_left"] = {
        kind: sorted(set(found) - set(before.get(kind, ()))) for kind, found in names().items()
    }
    report["port_is_open"] = is_open(address)
    switch(on=True)
    preferences().port = int(address[1])  # which it gave back
    yield from serve(window().scene.gltf_render_server.mode, port=int(address[1]))
    yield from ask("depth")
    switch(on=False)


def serve(mode, port=0):
    window().scene.render.engine = "CYCLES"
    window().scene.cycles.samples = 1
    preferences().port = port
    window().scene.gltf_render_server.mode = mode
    press("start")
    yield from phase("Running")


def ask(kind):
    answer = Answer(kind)
    yield from answer.wait()
    report.setdefault("statuses", []).append(answer.status)


def client_objects():
    return [item.name for item in bpy.data.objects if item.name.startswith("glTF Client")]


def is_open(address):
    import socket

    with socket.socket() as probe:
        return probe.connect_ex((address[0], int(address[1]))) == 0


def switch(*, on):
    (bpy.ops.preferences.addon_enable if on else bpy.ops.preferences.addon_disable)(module=EXTENSION)


def user_repository():
    repositories = bpy.context.preferences.extensions.repos
    return next(index for index, found in enumerate(repositories) if found.module == "user_default")


drive(script)
