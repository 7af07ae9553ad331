"""A request that waits for the user is told as waiting, not as being rendered."""

import importlib
import queue
from types import SimpleNamespace

import pytest

pytest.importorskip("bpy", reason="the bpy package is not for this Python")


class NothingWaits:
    """A queue that counts how often it was asked."""

    runs = 0

    def run_next(self):
        self.runs += 1


def test_the_panel_says_what_it_waits_for(monkeypatch):
    window, panels, state, events = (
        importlib.import_module(f"blender_addon.{name}") for name in ("window", "panels", "state", "events")
    )
    server = window.WindowServer.__new__(window.WindowServer)
    server._events, server._is_held = queue.SimpleQueue(), False
    server._server = SimpleNamespace(dispatcher=NothingWaits())
    shown = state.ServerState()
    shown.apply(events.Ready("http://127.0.0.1:8000", "5.2", "cycles", "CPU"))
    shown.apply(events.Asked(1, "color", 64, 48, "127.0.0.1"))
    texts = []
    for is_occupied in (True, True, False):
        monkeypatch.setattr(window, "is_occupied", lambda is_occupied=is_occupied: is_occupied)
        server.work()
        for event in server.events():
            shown.apply(event)
        texts.append(panels._status_text(shown))
    assert texts == ["1 waiting until your own work is done"] * 2 + ["Rendering"]
    assert server._server.dispatcher.runs == 1
