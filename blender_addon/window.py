"""The server in this Blender: it renders requests in the open session, one between two redraws."""

from __future__ import annotations

import queue
from typing import Any

import bpy

from .events import Ended, Event, Held, Ready, take_all
from .gltf_render_server.blender import BlenderRenderer
from .gltf_render_server.blender.guests import remove_guests
from .gltf_render_server.blender.sources import SessionSource
from .gltf_render_server.compose import Server
from .gltf_render_server.frame import Frame
from .gltf_render_server.renderer import RenderedFrame
from .gltf_render_server.settings import ServerSettings
from .journal import Journal
from .kept_requests import Shelf
from .last_pictures import LastPictures
from .launch import pictures_folder
from .options import server_options
from .preferences import preferences
from .session import main_window
from .state import MOST_SHOWN

__all__ = ["SessionRenderer", "WindowServer", "current_settings", "is_occupied"]

_DRAIN_S = 1.0
_JOBS = ("RENDER", "OBJECT_BAKE", "COMPOSITE")


class SessionRenderer:
    """A renderer that uses the panel's current settings for each request."""

    def __init__(self) -> None:
        self._settings = current_settings(main_window().scene)
        self._renderer = _renderer(self._settings)
        self.info = self._renderer.info
        self.extensions = self._renderer.extensions
        self.renders = self._renderer.renders
        self.looks = self._renderer.looks

    def render(self, frame: Frame) -> RenderedFrame:
        """See `Renderer.render`."""
        with bpy.context.temp_override(window=main_window()):
            return self.current().render(frame)

    def current(self) -> BlenderRenderer:
        """Return a renderer with the current settings."""
        settings = current_settings(main_window().scene)
        if settings != self._settings:
            self.close()
            self._renderer, self._settings = _renderer(settings), settings
        return self._renderer

    def close(self) -> None:
        """See `Renderer.close`."""
        self._renderer.close()


class WindowServer:
    """A `Server` that does its work on this Blender's main thread.

    Parameters
    ----------
    options : dict of str to str
        The environment variables; see `server_options`.

    Raises
    ------
    SettingsError
        The server cannot start with these settings.
    """

    tick_s = 0.03

    def __init__(self, options: dict[str, str]) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._is_held = False
        pictures = LastPictures(pictures_folder(), MOST_SHOWN)
        self._journal = Journal(self._events.put, Shelf(preferences().shelf.folder, 0), pictures)
        settings = ServerSettings.from_environment(options)
        self._server = Server(settings, SessionRenderer, self._journal)
        self._server.start()
        info = self._server.dispatcher.info
        self._events.put(Ready(self._server.url, info.version, info.engine, info.device))

    def work(self) -> None:
        """See `Server.work`. Render one waiting request, unless the user is busy."""
        is_held = is_occupied()
        if is_held != self._is_held:
            self._is_held = is_held
            self._events.put(Held(is_held))
        if not is_held:
            self._server.dispatcher.run_next()

    def events(self) -> list[Event]:
        """See `Server.events`."""
        return take_all(self._events)

    def keep_on(self, shelf: Shelf) -> None:
        """See `Server.keep_on`."""
        self._journal.shelf = shelf

    def stop(self) -> None:
        """See `Server.stop`. It takes effect at once, because nothing is being rendered at this point."""
        self._server.close(_DRAIN_S)
        self._events.put(Ended(0, ""))

    def kill(self, grace_s: float = 0.0) -> None:
        """See `Server.kill`."""
        del grace_s
        try:
            self._server.shut_down(_DRAIN_S)
        finally:
            remove_guests()


def current_settings(scene: bpy.types.Scene) -> ServerSettings:
    """Return the settings with which a scene is rendered now."""
    return ServerSettings.from_environment(server_options(scene.gltf_render_server, preferences(), None))


def is_occupied() -> bool:
    """Return whether the user is dragging, painting or choosing, or Blender is rendering or baking."""
    windows = bpy.context.window_manager.windows
    modal = {operator.bl_idname for window in windows for operator in window.modal_operators}
    return any(map(_holds_data, modal - _choosing_files())) or any(map(bpy.app.is_job_running, _JOBS))


def _holds_data(name: str) -> bool:
    """Return whether a modal operator may hold references to the scene's data until it ends.

    All of Blender's own operators may do so, and all of them end. Those of add-ons may run for ever.
    """
    of_python = bpy.types.Operator.bl_rna_get_subclass_py(name)
    if of_python is None:
        return True
    return of_python.__module__.startswith("bl_") and not of_python.__module__.startswith("bl_ext.")


def _choosing_files() -> set[str]:
    """Return the operators that wait for a file browser, which may take a long time."""
    areas = (area for window in bpy.context.window_manager.windows for area in window.screen.areas)
    spaces: Any = (area.spaces.active for area in areas if area.type == "FILE_BROWSER")
    return {space.active_operator.bl_idname for space in spaces if space.active_operator is not None}


def _renderer(settings: ServerSettings) -> BlenderRenderer:
    return BlenderRenderer(settings, SessionSource(lambda: main_window().scene))
