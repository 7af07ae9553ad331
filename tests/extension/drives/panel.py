"""Bring the panel into each of its states; tell what it said, and how smoothly the window was drawn."""

import os
import signal
import socket
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))

import bpy
from driving import (
    Answer,
    begin,
    controller,
    drive,
    own_s,
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


def script():
    yield from begin()
    screenshot("hidden")
    yield from show_sidebar()
    screenshot("stopped")
    report["sidebar"] = [sidebar().x, sidebar().y, sidebar().width, sidebar().height]
    yield from fail_to_start()
    yield from serve()
    yield from crash()
    yield from change_an_option()
    quit_during_a_render()
    yield 1.0


def fail_to_start():
    with socket.create_server(("127.0.0.1", 0)) as other:
        preferences().port = other.getsockname()[1]
        report["port_in_use"] = refusal()
    yield 0.5
    screenshot("failed")
    preferences().port = 0
    preferences().host = "0.0.0.0"
    report["not_permitted"] = refusal()
    preferences().host = "127.0.0.1"


def refusal():
    try:
        press("start")
    except RuntimeError as error:
        return [str(error), controller().state.phase, controller().state.message]
    return []


def serve():
    smooth = Smoothness()
    yield from smooth.watch("idle", 4.0)
    started_s = own_s()
    press("start")
    report["start_s"] = own_s() - started_s
    yield from phase("Running")
    yield 0.5
    screenshot("running")
    window().scene.cycles.samples = 2000
    window().scene.cycles.use_adaptive_sampling = False
    press("update")
    answer = Answer("color")
    yield from until(lambda: controller().state.is_busy)
    yield 0.3
    screenshot("busy")
    yield from smooth.watch("busy", 4.0)
    report["still_busy"] = controller().state.is_busy
    yield from answer.wait()
    report["answered"] = answer.status
    smooth.end()


def crash():
    address = controller().state.url
    os.kill(controller()._server.pid, signal.SIGSEGV)
    yield from until(lambda: "crashed" in controller().state.message)
    report["crashed"] = controller().state.message
    yield from phase("Running")
    report["same_address"] = controller().state.url == address
    answer = Answer("depth")
    yield from answer.wait()
    report["answered_after_crash"] = answer.status


def change_an_option():
    server = controller()._server.pid
    window().scene.gltf_render_server.quality = "PREVIEW"
    press("update")
    yield from until(lambda: controller().state.phase == "Running" and controller()._server.pid != server)
    report["options"] = controller()._options["GLTF_RENDER_SERVER_QUALITY"]
    server = controller()._server.pid
    window().scene.gltf_render_server.quality = "SCENE"
    press("update")
    yield from until(lambda: controller().state.phase == "Running" and controller()._server.pid != server)


def quit_during_a_render():
    window().scene.cycles.samples = 4000
    press("update")
    Answer("color")
    report["child"] = controller()._server.pid


class Smoothness:
    """How long the window goes without being drawn, and how long the add-on's timer holds it up."""

    def __init__(self):
        self._drawn_s, self._ticks_s = [], []
        self._handler = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        self._tick = controller().tick
        controller().tick = self._timed_tick
        self._timer = self._poke  # Blender knows a timer by its identity
        bpy.app.timers.register(self._timer)

    def watch(self, name, seconds):
        self._drawn_s.clear()
        self._ticks_s.clear()
        yield seconds
        self._drawn_s.append(own_s())  # a window that was never drawn again was not free
        gaps = [after - before for before, after in zip(self._drawn_s, self._drawn_s[1:], strict=False)]
        report[name] = {
            "longest_gap_s": max(gaps),
            "draws": len(gaps),
            "longest_tick_s": max(self._ticks_s, default=0),
        }

    def end(self):
        bpy.app.timers.unregister(self._timer)
        bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")

    def _draw(self):
        self._drawn_s.append(own_s())

    def _poke(self):
        view().tag_redraw()
        return 0.01

    def _timed_tick(self):
        started_s = own_s()
        try:
            return self._tick()
        finally:
            self._ticks_s.append(own_s() - started_s)


drive(script)
