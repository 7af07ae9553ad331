"""Handlers for changes of the session while a server is running: loading, undo, saving."""

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
    """Keep clients' objects out of saved files and out of undo steps."""
    import sys

    # if this module is not imported, there are no such objects
    module = sys.modules.get(f"{__package__}.gltf_render_server.blender.guests")
    if module is not None:
        with attempted("remove the client's objects", controller.show_message):
            module.remove_guests()


@persistent
def _after_load(*_: Any) -> None:
    """Initialise what a new file leaves empty."""
    with attempted("list the kept requests", controller.show_message):
        controller.read_shelf()
    lists().checked = False


def _start_with_blender() -> None:
    if preferences().start_with_blender and not bpy.app.background:
        with suppress(StartError):  # the panel shows the error
            controller.start()


start_with_blender = Timer(_start_with_blender, "start the server", controller.show_message)
"""Start the server if the preferences say so. Before this, there is no window."""


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
