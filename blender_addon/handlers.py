"""What must happen when the session changes under a server: files, undo, saving."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import bpy
from bpy.app.handlers import persistent

from .control import controller
from .launch import StartError
from .preferences import preferences
from .session import lists
from .timers import Timer, attempted

__all__ = ["start_with_blender", "switch"]


@persistent
def _remove_guests(*_: Any) -> None:
    """Keep what clients have sent out of saved files, and out of what undo brings back."""
    import sys

    # only what has been loaded can have left anything
    module = sys.modules.get(f"{__package__}.gltf_render_server.blender.guests")
    if module is not None:
        with attempted("remove the client's objects", controller.tell):
            module.remove_guests()


@persistent
def _after_load(*_: Any) -> None:
    """Fill what a new file leaves empty."""
    with attempted("list the kept requests", controller.tell):
        controller.read_shelf()
    lists().checked = False


def _start_with_blender() -> None:
    if preferences().start_with_blender and not bpy.app.background:
        with suppress(StartError):  # the panel tells it
            controller.start()


start_with_blender = Timer(_start_with_blender, "start the server", controller.tell)
"""Starts the server if the preferences say so; no window is there before."""


def switch(*, on: bool) -> None:
    """Add or remove the handlers."""
    handlers = bpy.app.handlers
    places = {
        _remove_guests: (handlers.save_pre, handlers.undo_post, handlers.redo_post),
        _after_load: (handlers.load_post,),
    }
    for function, places_of_it in places.items():
        for place in places_of_it:
            if on:
                place.append(function)
            elif function in place:
                place.remove(function)
