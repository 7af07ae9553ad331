"""Disturb the server: with a brush in hand, a slider held, a file browser open, and with what fails in it."""

import itertools
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import (
    OUT,
    Answer,
    begin,
    controller,
    drive,
    phase,
    preferences,
    press,
    report,
    screenshot,
    show_sidebar,
    sidebar,
    until,
    view,
    window,
)

TOKEN = "a/b:c@d#e? %2F"


def script():
    yield from begin()
    window().scene.cycles.samples = 1
    window().scene.gltf_render_server.mode = "WINDOW"
    preferences().port = 0
    press("start")
    yield from phase("Running")
    yield from show_sidebar()
    yield from hold_a_brush()
    yield from hold_a_slider()
    yield from fail_all_the_time()
    yield from render_again_with_a_token()
    yield from choose_a_file()


def hold_a_brush():
    """A request waits while the size of a brush is being set."""
    mode("WEIGHT_PAINT")
    yield 0.5
    region = next(region for region in view().regions if region.type == "WINDOW")
    centre = (region.x + region.width // 2, region.y + region.height // 2)
    yield from move(*centre)
    yield from strike("F", *centre)
    report["modal"] = [operator.bl_idname for operator in window().modal_operators]
    yield from ask_while("brush", lambda: strike("ESC", *centre))
    mode("OBJECT")


def ask_while(name, release):
    """Ask while something is held; tell whether the answer came before it was released, and what it was."""
    answer = Answer("depth")
    yield 1.5
    early = answer.status
    yield from release()
    yield from answer.wait()
    report[name] = [early, answer.status]


def hold_a_slider():
    """The client's objects go while one of their properties is being dragged."""
    yield from ask("depth")
    item = next(item for item in bpy.data.objects if item.type == "CAMERA" and "Render" in item.name)
    for other in window().view_layer.objects:
        other.select_set(other == item)
    window().view_layer.objects.active = item
    sidebar().active_panel_category = "Item"
    yield 0.5
    x, y = sidebar().x + sidebar().width // 2 - 20, sidebar().y + sidebar().height - 60
    yield from move(x, y)
    window().event_simulate("LEFTMOUSE", "PRESS", x=x, y=y)
    yield 0.1
    yield from move(x + 15, y)
    with bpy.context.temp_override(window=window(), area=view(), region=sidebar()):
        held = bpy.context.property
    report["held"] = held and [held[0].name, held[1]]
    del item, held, other
    with moving(x, y):
        yield from ask("depth")
    window().event_simulate("LEFTMOUSE", "RELEASE", x=x + 60, y=y)
    yield from move(x - 200, y)
    yield from ask("depth")
    report["cameras"] = len([item for item in bpy.data.objects if item.type == "CAMERA"])
    sidebar().active_panel_category = "glTF Server"


@contextmanager
def moving(x, y):
    """Move the pointer with each tick, after a render and before Blender draws again."""
    server, steps = controller()._server, itertools.cycle(range(20, 60))
    work = server.work

    def work_and_move():
        work()
        window().event_simulate("MOUSEMOVE", "NOTHING", x=x + next(steps), y=y)

    server.work = work_and_move
    try:
        yield
    finally:
        server.work = work


def fail_all_the_time():
    """What fails with each tick is told, the window stays free, and Stop works."""
    server = controller()._server
    for name in ("work", "events", "stop"):
        setattr(server, name, _failing(name))
    yield 1.0
    report["told"] = controller().state.message
    screenshot("failing")
    press("stop")
    yield from phase("Stopped")
    report["stopped"] = True


def _failing(name):
    def fail(*_):
        raise KeyError(name)

    return fail


def render_again_with_a_token():
    preferences().token = TOKEN
    preferences().keep_folder = str(OUT / "kept")
    preferences().keep_requests = True
    press("start")
    yield from phase("Running")
    yield from ask("depth", token=TOKEN)
    press("render_again")
    yield from until(lambda: bool(controller().state.note or controller().state.message))
    report["again"] = [controller().state.note, controller().state.message]


def choose_a_file():
    """A file browser may be open for long, and holds nothing."""
    with bpy.context.temp_override(window=window(), area=view()):
        bpy.ops.wm.save_as_mainfile("INVOKE_DEFAULT")
    yield 1.0
    report["choosing"] = [operator.bl_idname for operator in window().modal_operators]
    yield from ask("depth", token=TOKEN)


def ask(kind, token=""):
    answer = Answer(kind, token=token)
    yield from answer.wait()
    report.setdefault("statuses", []).append(answer.status)
    yield 0.1


def mode(name):
    with bpy.context.temp_override(window=window()):
        bpy.ops.object.mode_set(mode=name)


def move(x, y):
    window().event_simulate("MOUSEMOVE", "NOTHING", x=x, y=y)
    yield 0.2


def strike(key, x, y):
    for value in ("PRESS", "RELEASE"):
        window().event_simulate(key, value, x=x, y=y)
    yield 0.3


drive(script)
