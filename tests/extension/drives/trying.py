"""Try the server as somebody without a client does: test requests, pictures, changes, snippet, token."""

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
    last_answered,
    phase,
    preferences,
    press,
    report,
    screenshot,
    show_sidebar,
    until,
    window,
)

TOKEN = "a/b c"


def script():
    yield from begin()
    window().scene.cycles.samples = 2
    report["menu"] = in_render_menu()
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    yield from show_sidebar()
    preferences().port = 0
    preferences().host = " localhost "
    preferences().token = TOKEN
    press("start")
    yield from phase("Running")
    yield from test_requests()
    screenshot("tested")
    yield from changes()
    yield from other_options()
    snippet_and_token()
    yield from failures_and_kept()
    yield from after_a_new_file()
    yield from online_access()


def in_render_menu():
    menu = bpy.types.TOPBAR_MT_render
    return any(function.__module__.startswith(EXTENSION) for function in menu._dyn_ui_initialize())


def test_requests():
    report["tests"] = {}
    report["scene_before"] = [scene.name for scene in bpy.data.scenes]
    for image_type in ("COLOR", "DEPTH", "LABEL"):
        yield from send_test(image_type)
        report["tests"][image_type] = [shown(), statistics()]
        yield 0.7
        screenshot(f"test_{image_type.lower()}")
    report["scene_after"] = [scene.name for scene in bpy.data.scenes]
    report["window_scene"] = window().scene.name
    report["display"] = bpy.context.preferences.view.render_display_type
    report["windows"] = len(bpy.context.window_manager.windows)
    report["zoom"] = zoom()
    for index, answer in enumerate(controller().state.answered):
        report.setdefault("answered", []).append([answer.image_type, answer.status])
        report.setdefault("shown_again", []).append([press("show_answer", index=index), statistics()])


def send_test(image_type):
    """Send a test request, and wait for its answer, and until the add-on was told of it."""
    bpy.context.window_manager.gltf_render_server.test_type = image_type
    controller().show_message("")
    last = last_answered()
    press("send_test")
    yield from until(lambda: "Test request: " in shown() and "sent" not in shown())
    yield from until(lambda: last_answered() is not last)


def shown():
    return controller().state.note or controller().state.message


def statistics():
    """Size, and how many colours the picture that is shown has."""
    import numpy as np

    image = bpy.data.images["glTF Render Server"]
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    colours = np.unique((pixels.reshape(-1, 4) * 255).round().astype(int), axis=0)
    return [list(image.size), len(colours)]


def zoom():
    """The share of the image editor's longer side that the picture fills."""
    areas = (area for item in bpy.context.window_manager.windows for area in item.screen.areas)
    area = next(area for area in areas if area.type == "IMAGE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    image = area.spaces.active.image
    return max(
        area.spaces.active.zoom[0] * image.size[0] / region.width,
        area.spaces.active.zoom[1] * image.size[1] / region.height,
    )


def outdated():
    return sys.modules[f"{EXTENSION}.changes"].handed_over.is_outdated


def changes():
    """What the mark on Update says after each of these."""
    told = report["outdated"] = {"handed over": outdated()}
    lamp = bpy.data.objects["Light"]
    lamp.select_set(not lamp.select_get())
    yield 0.3
    told["selected"] = outdated()
    lamp.location.x += 1
    yield 0.3
    told["moved"] = outdated()
    screenshot("outdated")
    press("update")
    yield 0.3
    told["updated"] = outdated()
    window().scene.cycles.samples = 3
    yield 0.3
    told["samples"] = outdated()
    press("update")
    lamp.data.energy += 1
    yield 0.3
    told["energy"] = outdated()
    press("update")
    yield 0.3
    told["updated again"] = outdated()


def other_options():
    server = controller()._server.pid
    told = report["other_options"] = [controller().has_other_options]
    window().scene.gltf_render_server.quality = "PREVIEW"
    told.append(controller().has_other_options)
    yield 0.5
    screenshot("pending")
    window().scene.gltf_render_server.quality = "SCENE"
    told.append(controller().has_other_options)
    preferences().token = "other"
    told.append(controller().has_other_options)
    report["token_of_server"] = controller().token
    press("update")
    yield from until(lambda: controller().state.phase == "Running" and controller()._server.pid != server)
    told.append(controller().has_other_options)
    server = controller()._server.pid
    preferences().token = TOKEN
    press("update")
    yield from until(lambda: controller().state.phase == "Running" and controller()._server.pid != server)


def snippet_and_token():
    press("copy_snippet")
    report["snippet"] = bpy.context.window_manager.clipboard
    report["url"] = controller().state.url
    before = preferences().token
    press("generate_token")
    report["generated"] = [preferences().token, bpy.context.window_manager.clipboard, before]
    preferences().token = before


def failures_and_kept():
    preferences().keep_folder = str(OUT / "kept")
    preferences().keep_requests = True
    yield 0.3
    yield from send_test("COLOR")
    answer = Answer("color", token=TOKEN, focal_x="-1")
    yield from answer.wait()
    answer = Answer("label", token=TOKEN)
    yield from answer.wait()
    yield 0.5
    lists = bpy.context.window_manager.gltf_render_server
    report["reasons"] = [line.message for line in controller().state.answered][:3]
    report["kept"] = [[entry.failed, entry.message] for entry in lists.kept]
    screenshot("reasons")
    lists.kept_index = 2
    report["show_kept"] = [press("show_kept"), statistics()[0]]
    lists.kept_index = 1
    try:
        press("show_kept")
    except RuntimeError as error:
        report["show_failed"] = str(error)
    lists.kept_index = 2
    press("import_kept")
    yield 0.5
    scene, layer = window().scene, window().view_layer
    spaces = [area.spaces.active for area in window().screen.areas if area.type == "VIEW_3D"]
    selected = [item for item in scene.objects if item.select_get(view_layer=layer)]
    report["arrived"] = {
        "selected": sorted(item.type for item in selected),
        "active": layer.objects.active.type,
        "light": bpy.data.objects["Light"].select_get(),
        "views": [space.region_3d.view_perspective for space in spaces],
        "camera": scene.camera in selected,
    }
    screenshot("arrived")


def after_a_new_file():
    press("stop")
    yield from phase("Stopped")
    report["stopped"] = [controller().state.message, controller().state.note]
    window().scene.gltf_render_server.mode = "WINDOW"
    press("start")
    yield from phase("Running")
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.read_homefile(use_splash=False, load_ui=False)
    yield 0.5
    report["place"] = [window().scene.gltf_render_server.mode, controller().state.place]
    yield from show_sidebar()
    screenshot("new_file")
    press("stop")
    yield from phase("Stopped")


def online_access():
    preferences().host = "0.0.0.0"
    bpy.context.preferences.system.use_online_access = True
    report["online"] = [bpy.app.online_access]
    if not bpy.app.online_access:
        return
    press("start")
    yield from phase("Running")
    report["outside_url"] = controller().state.url
    bpy.context.preferences.system.use_online_access = False
    yield from until(lambda: controller().state.phase == "Failed")
    report["online"] += [controller()._server is None, controller().state.message]


drive(script)
