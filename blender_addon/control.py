"""Starts, watches and stops the one server of this Blender; the only place that holds it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import bpy

from . import child_main
from .background import BackgroundServer
from .events import Answered, Ended, Event
from .gltf_render_server.addresses import is_loopback
from .kept_requests import Shelf
from .options import PORT, child_environment, server_options
from .preferences import ServerPreferences, preferences
from .properties import ServerProperties, SessionLists
from .state import Phase, ServerState

__all__ = ["Controller", "Server", "StartError", "controller", "lists", "main_window", "scene_properties"]

_STOP_S = 12.0  # the child gives a render 8 s, and its clients 2 s
_RESTARTS = 3
_MOST_LISTED = 100
_RESTARTS_WITHIN_S = 120.0


class StartError(Exception):
    """The server cannot start, for a reason that is told to who asked for it."""


class Server(Protocol):
    """A server in either place."""

    tick_s: float

    def work(self) -> None:
        """Do what must be done on this Blender's main thread."""
        ...

    def events(self) -> list[Event]:
        """Return what has happened since the last call; ends with `Ended`."""
        ...

    def keep_on(self, shelf: Shelf) -> None:
        """Keep requests there from now on."""
        ...

    def stop(self) -> None:
        """Begin to end."""
        ...

    def kill(self, grace_s: float = 0.0) -> None:
        """End at the latest after `grace_s`, and leave nothing behind."""
        ...


class Controller:
    """Owns the server, and keeps `state` up to date from a timer.

    Attributes
    ----------
    state : ServerState
    """

    def __init__(self) -> None:
        self.state = ServerState()
        self._server: Server | None = None
        self._options: dict[str, str] = {}
        self._crashes_s: deque[float] = deque(maxlen=_RESTARTS)
        self._stopping_s = 0.0
        self._starts_again = False
        self._shown_s = -1

    def start(self) -> None:
        """Start the server where the scene says.

        Raises
        ------
        StartError
        """
        if self.state.is_on:
            raise StartError("The server is running already")
        self._end(0.0)
        self.state.message = ""
        self._crashes_s.clear()
        try:
            self._start()
        except StartError as error:
            self.state.failed(str(error))
            raise
        finally:
            redraw()

    def stop(self) -> None:
        """Ask the server to end; it answers who waits first."""
        self._starts_again = False
        if self._server is not None:
            self.state.phase = Phase.STOPPING
            self._stopping_s = time.monotonic()
            self._server.stop()
        redraw()

    def update(self) -> None:
        """Hand the scene over as it is now; starts the server anew where its options have changed.

        Raises
        ------
        StartError
        """
        if not (self.state.is_on and self.state.scene_time):
            raise StartError("There is no background server to be updated")
        if server_options(scene_properties(), preferences(), _blend_file()) != self._options:
            self.stop()
            self._starts_again = True
        else:
            _save_scene()
            self.state.scene_time = _now()
        redraw()

    def tell(self, failure: str, note: str = "") -> None:
        """Show a failure, or a note, in the panel and in the status bar."""
        self.state.message, self.state.note = failure, note
        redraw()

    def shelf_changed(self) -> None:
        """Tell the server where requests are kept, and read again what is there."""
        if self._server is not None:
            self._server.keep_on(preferences().shelf)
        self.read_shelf()

    def read_shelf(self) -> None:
        """List what is kept."""
        kept = lists().kept
        kept.clear()
        for request in preferences().shelf.newest(_MOST_LISTED):
            entry = kept.add()
            entry.folder, entry.label = str(request.folder), request.label
            entry.failed = bool(request.message)

    def tick(self) -> float | None:
        """Do what there is to do on the main thread; return after how many seconds to do more, if ever."""
        if self._server is None:
            return None
        self._server.work()
        events = self._server.events()
        for event in events:
            self._apply(event)
        if any(isinstance(event, Answered) and event.kept for event in events):
            self.read_shelf()
        if self.state.phase is Phase.STOPPING and time.monotonic() - self._stopping_s > _STOP_S:
            self._end(0.0)
            self._stopped()
        self._show(is_news=bool(events))
        return None if self._server is None else self._server.tick_s

    def shutdown(self) -> None:
        """End the server and the timer, within a moment."""
        self._end(2.0)
        self.state.stopped()
        if bpy.app.timers.is_registered(_tick):
            bpy.app.timers.unregister(_tick)

    def _start(self) -> None:
        properties, own = scene_properties(), preferences()
        is_background = properties.mode == "BACKGROUND"
        self._options = server_options(properties, own, _blend_file() if is_background else None)
        _check_address(own)
        if is_background:
            self._server = _start_background(self._options)
        else:
            self._server = _start_in_window(self._options)
        self._server.keep_on(own.shelf)
        self.state.starting(_now() if is_background else "")
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, persistent=True)

    def _apply(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._ended(event)
        else:
            self.state.apply(event)

    def _ended(self, event: Ended) -> None:
        self._end(0.0)
        if self.state.phase is Phase.STOPPING:
            self._stopped()
        elif self.state.phase is not Phase.FAILED:
            self._recover(event)

    def _stopped(self) -> None:
        self.state.stopped()
        if self._starts_again:
            with suppress(StartError):  # the panel tells it
                self.start()

    def _recover(self, event: Ended) -> None:
        """Start the server that has crashed again, unless it does nothing but crash."""
        now_s = time.monotonic()
        often = len(self._crashes_s) == _RESTARTS and now_s - self._crashes_s[0] < _RESTARTS_WITHIN_S
        message = f"The background server crashed ({_cause(event)})"
        if often or self.state.phase is Phase.STARTING:
            last = event.log.strip().splitlines()[-1:] or ["it said nothing"]
            self.state.failed(f"{message}: {last[0]}")
            return
        self._crashes_s.append(now_s)
        scene_time = self.state.scene_time
        self._server = _launch(self._options | self._same_address())
        self._server.keep_on(preferences().shelf)
        self.state.starting(scene_time)
        self.state.message = f"{message} and was started again"

    def _same_address(self) -> dict[str, str]:
        """Return the option that gives clients the address again that they know."""
        port = urlsplit(self.state.ready.url).port if self.state.ready else None
        return {PORT: str(port)} if port else {}

    def _end(self, grace_s: float) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            if grace_s:
                server.stop()
            server.kill(grace_s)

    def _show(self, *, is_news: bool) -> None:
        if is_news:
            redraw()
        elif self.state.uptime_s != self._shown_s:
            self._shown_s = self.state.uptime_s
            _redraw_panels()


controller = Controller()


def _tick() -> float | None:
    """Run by Blender's timer while there is a server; Blender knows a timer by its function's identity."""
    return controller.tick()


def scene_properties() -> ServerProperties:
    """Return the properties of the scene in the window."""
    return main_window().scene.gltf_render_server


def lists() -> SessionLists:
    """Return what the panel lists."""
    return bpy.context.window_manager.gltf_render_server


def main_window() -> bpy.types.Window:
    """Return the window that counts; a timer has none of its own."""
    return bpy.context.window or bpy.context.window_manager.windows[0]


def redraw() -> None:
    """Draw everything again, the status bar included."""
    lists().redraw += 1


def _redraw_panels() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in {("VIEW_3D", "UI"), ("PROPERTIES", "WINDOW")}:
                    region.tag_redraw()


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _check_address(own: ServerPreferences) -> None:
    """Refuse an address that may not or cannot be listened on, before anything is started."""
    if not is_loopback(own.host):
        if not bpy.app.online_access:
            raise StartError(
                f"Host {own.host} reaches beyond this computer, which Blender must permit: Preferences > "
                "System > Network > Allow Online Access"
            )
        if not own.token.strip():
            raise StartError(
                f"Host {own.host} lets other computers in: set a token in the add-on's preferences"
            )
    try:
        family = socket.getaddrinfo(own.host, own.port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((own.host, own.port), family=family).close()
    except OSError as error:
        raise StartError(
            f"Port {own.port} of {own.host} cannot be used ({_reason(error)}): another program may have it; "
            "choose another in the add-on's preferences"
        ) from error


def _reason(error: OSError) -> str:
    """Return the system's words, to which some Pythons add the address."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _start_background(options: dict[str, str]) -> Server:
    try:
        _save_scene()
        return _launch(options)
    except (OSError, RuntimeError) as error:
        raise StartError(f"The background server could not be started: {error}") from error


def _launch(options: dict[str, str]) -> Server:
    command = [bpy.app.binary_path, "-b", "--factory-startup", "--offline-mode", "-P", child_main.__file__]
    file = _blend_file()
    environment = child_environment(options)
    environment[child_main.PATHS] = json.dumps(sys.path)
    # a Blender with factory settings knows no extension, and removes the wheels of all that it finds
    environment["BLENDER_USER_RESOURCES"] = os.fspath(file.with_name("resources"))
    return BackgroundServer(command, environment, file.with_suffix(".log"))


def _start_in_window(options: dict[str, str]) -> Server:
    from .gltf_render_server.errors import SettingsError
    from .window import WindowServer

    try:
        return WindowServer(options)
    except SettingsError as error:
        raise StartError(str(error)) from error


def _blend_file() -> Path:
    """Return the file by which a scene is handed over."""
    return Path(bpy.app.tempdir) / "gltf_render_server" / "scene.blend"


def _save_scene() -> None:
    """Save a copy of the open scene; the server opens it with the next request."""
    file = _blend_file()
    file.parent.mkdir(exist_ok=True)
    new = file.with_stem("new")
    with bpy.context.temp_override(window=main_window()), _without_thumbnail():
        bpy.ops.wm.save_as_mainfile(filepath=os.fspath(new), copy=True, check_existing=False)
    new.replace(file)


@contextmanager
def _without_thumbnail() -> Iterator[None]:
    """Keep Blender from rendering a picture for the file, which takes longer than all the rest."""
    preferences = bpy.context.preferences
    kept, was_dirty = preferences.filepaths.file_preview_type, preferences.is_dirty
    preferences.filepaths.file_preview_type = "NONE"
    try:
        yield
    finally:
        preferences.filepaths.file_preview_type = kept
        preferences.is_dirty = was_dirty


def _cause(event: Ended) -> str:
    if event.status >= 0:
        return f"exit status {event.status}"
    with suppress(ValueError):
        return signal.Signals(-event.status).name
    return f"signal {-event.status}"
