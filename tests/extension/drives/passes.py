"""Show passes of kept requests: with a server in this window, and without one."""

import importlib
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
import numpy as np
from driving import (
    EXTENSION,
    FORMS,
    OUT,
    Answer,
    begin,
    controller,
    drive,
    names,
    own_s,
    phase,
    preferences,
    press,
    report,
    screenshot,
    show_sidebar,
    until,
    window,
)

SHOWN = "glTF Render Server"


def script():
    yield from begin()
    window().scene.gltf_render_server.mode = "WINDOW"
    window().scene.cycles.samples = 2
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    yield from keep()
    yield from compare_with_render_again()
    press("stop")
    yield from phase("Stopped")
    preferences().keep_requests = False
    yield from show_all()
    yield from choose_a_view()
    yield from fail()
    yield from in_pictures()


def keep():
    """Keep a request that is refused, one of Drake's form, and one of two views and two passes."""
    preferences().port = 0
    preferences().keep_folder = str(OUT / "kept")
    preferences().keep_requests = True
    press("start")
    yield from phase("Running")
    for changes in ({"focal_x": "-1"}, {}):
        yield from Answer("color", **changes).wait()
        yield 0.3
    asking = threading.Thread(target=ask_for_two)
    asking.start()
    yield from until(lambda: not asking.is_alive())
    yield from until(lambda: len(lists().kept) == 3)
    report["asked"] = [[entry.passes, len(entry.views)] for entry in lists().kept]


def ask_for_two():
    client = importlib.import_module(f"{EXTENSION}.gltf_render_server.client").RenderClient
    views = [
        {"name": name, "width": width, "height": 120, "fov_y_deg": 60, "camera": 0}
        for name, width in (("left", 160), ("right", 100))
    ]
    client(controller().state.url).render((FORMS / "color.gltf").read_bytes(), views, ("depth", "normal"))


def lists():
    return bpy.context.window_manager.gltf_render_server


def show(name):
    """Show a pass; return what is told of it."""
    controller().show_message("")
    lists().shown_pass = name
    press("show_pass")
    yield from until(lambda: bool(told()))
    return told()


def told():
    return controller().state.note or controller().state.message


def choices():
    """Return what may be chosen, in order, and what is marked."""
    items = sys.modules[f"{EXTENSION}.properties"]._passes_to_show(lists(), None)
    return [item[0] for item in items], [item[0] for item in items if item[3] == "CHECKMARK"]


def picture():
    image = bpy.data.images[SHOWN]
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    colours = np.unique((pixels.reshape(-1, 4) * 255).round().astype(int), axis=0)
    return [list(image.size), len(colours)]


class Pulse:
    """The longest time for which Blender did nothing else."""

    def __init__(self):
        self.longest_s, self._last_s = 0.0, own_s()
        bpy.app.timers.register(self._beat)

    def _beat(self):
        now_s = own_s()
        self.longest_s = max(self.longest_s, now_s - self._last_s)
        self._last_s = now_s
        return None if self.longest_s < 0 else 0.01

    def end(self):
        longest_s, self.longest_s = self.longest_s, -1e9
        return longest_s


def compare_with_render_again():
    """How long the window waits for each, once both have been used."""
    lists().kept_index = 1
    frozen = report["frozen_s"] = {"render_again": [], "show_pass": []}
    for _ in range(4):
        controller().show_message("")
        pulse = Pulse()
        press("render_again")
        yield from until(lambda: bool(told()))
        yield 0.3
        frozen["render_again"].append(pulse.end())
        pulse = Pulse()
        yield from show("color")
        yield 0.3
        frozen["show_pass"].append(pulse.end())
    report["beside_a_server"] = told()
    yield from Answer("color").wait()
    yield 0.5


def show_all():
    lists().kept_index = len(lists().kept) - 2
    report["choices"], report["marked"] = choices()
    scene, before = window().scene, names()
    handed_over = sys.modules[f"{EXTENSION}.changes"].handed_over
    handed_over.note()
    report["passes"] = {}
    for name in report["choices"]:
        text = yield from show(name)
        report["passes"][name] = [text, *picture()]
    yield 0.5
    after = names()
    report["changed"] = {kind: after[kind] for kind in after if after[kind] != before[kind]}
    report["outdated"] = handed_over.is_outdated
    report["collections"] = sorted(scene.collection.children.keys())


def choose_a_view():
    index = next(index for index, entry in enumerate(lists().kept) if len(entry.views) == 2)
    lists().kept_index = index
    report["first_choices"], report["marked_of_two"] = choices()
    report["views"] = []
    for name in ("", "right", "none of it"):
        lists().shown_view = name
        text = yield from show("depth")
        report["views"].append([text, picture()[0]])


def fail():
    entries = list(lists().kept)
    lists().kept_index = next(index for index, entry in enumerate(entries) if entry.failed)
    report["refused"] = yield from show("depth")
    lists().kept_index = next(index for index, entry in enumerate(entries) if not entry.failed)
    Path(lists().kept[lists().kept_index].path).unlink()
    try:
        press("show_pass")
    except RuntimeError as error:
        report["gone"] = str(error)


def in_pictures():
    yield from show_sidebar()
    lists().kept_index = next(index for index, entry in enumerate(lists().kept) if len(entry.views) == 2)
    yield from show("normal")
    yield 1.0
    screenshot("normal")


drive(script)
