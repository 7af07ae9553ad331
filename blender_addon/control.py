"""Starts, watches and stops the server of this Blender. Only this module holds it."""

from __future__ import annotations

import shutil
import signal
import time
from collections import deque
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

import bpy

from .events import Answered, Ended, Event
from .gltf_render_server.http.addresses import is_loopback
from .kept_requests import Shelf
from .launch import StartError, blend_file, check_address, launch, save_scene
from .options import HOST, PORT, TOKEN, server_options
from .preferences import keep_changed, preferences
from .session import lists, redraw, redraw_panels, scene_properties
from .state import Phase, ServerState
from .timers import Timer, attempted
from .wheels import advice

__all__ = ["Controller", "Server", "controller"]

_STOP_S = 12.0  # the child gives a render 8 s and its clients 2 s
_RESTARTS = 3
_MOST_LISTED = 100
_RESTARTS_WITHIN_S = 120.0


class Server(Protocol):
    """The server, in a child process or in this one."""

    tick_s: float

    def work(self) -> None:
        """Do the work that needs this Blender's main thread."""
        ...

    def events(self) -> list[Event]:
        """Return the events since the last call. The last event is `Ended`."""
        ...

    def keep_on(self, shelf: Shelf) -> None:
        """Set the shelf on which requests are kept from now on."""
        ...

    def stop(self) -> None:
        """Begin to shut down."""
        ...

    def kill(self, grace_s: float = 0.0) -> None:
        """End after at most `grace_s`, and clean up."""
        ...


class Controller:
    """Owns the server, and updates `state` from a timer.

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
        self._timer = Timer(lambda: self.tick(), "look after the server", self.show_message)

    def start(self) -> None:
        """Start the server in the place that the scene's settings choose.

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
        """Ask the server to shut down. It answers waiting clients first."""
        self._starts_again = False
        if self._server is None:
            self.state.stopped()
        else:
            self.state.phase = Phase.STOPPING
            self._stopping_s = time.monotonic()
            self._timer.start()
            # the server ends anyway after the time limit
            with attempted("stop the server", self.show_message):
                self._server.stop()
        redraw()

    def update(self) -> None:
        """Hand over the scene in its current state, and restart the server if its options have changed.

        Raises
        ------
        StartError
        """
        if not self.state.is_on:
            raise StartError("There is no server to be updated")
        if self.has_other_options:
            self.stop()
            self._starts_again = True
        elif self.state.scene_time:
            save_scene()
            self.state.scene_time = _now()
        redraw()

    @property
    def token(self) -> str:
        """The token of the running server, whatever the preferences contain now; empty if there is none."""
        return self._options.get(TOKEN, "")

    @property
    def has_other_options(self) -> bool:
        """Whether the running server has different values for options that need a restart."""
        if not self.state.is_on:
            return False
        is_background = bool(self.state.scene_time)
        now = server_options(scene_properties(), preferences(), blend_file() if is_background else None)
        names = now.keys() | self._options.keys() if is_background else {HOST, PORT, TOKEN}
        return any(now.get(name) != self._options.get(name) for name in names)

    def show_message(self, failure: str, note: str = "") -> None:
        """Show a failure, or a note, in the panel and in the status bar."""
        if (failure, note) != (self.state.message, self.state.note):
            self.state.message, self.state.note = failure, note
            redraw()

    def shelf_changed(self) -> None:
        """Tell the server the new location of the kept requests, and list those that are there."""
        if self._server is not None:
            self._server.keep_on(preferences().shelf)
        self.read_shelf()

    def read_shelf(self) -> None:
        """List the kept requests. The selected request stays selected if it still exists."""
        session = lists()
        requests = preferences().shelf.newest(_MOST_LISTED)
        selected = session.kept[session.kept_index].path if session.has_kept_selection else ""
        first = -1 if session.kept else 0  # selects the first entry if the list was empty
        paths = [str(request.path) for request in requests]
        session.kept.clear()
        for request in requests:
            entry = session.kept.add()
            entry.path, entry.label = str(request.path), request.label
            entry.message = request.answered.message
            entry.failed = bool(entry.message)
            entry.passes = " ".join(request.passes)
            for name in request.views:
                entry.views.add().name = name
        session.kept_index = paths.index(selected) if selected in paths else first

    def tick(self) -> float | None:
        """Do the pending work on the main thread.

        Return the delay until the next call; None = no more calls.
        """
        if self._server is None:
            return None
        events: list[Event] = []
        with attempted("render what waits", self.show_message):
            self._server.work()
        with attempted("hear from the server", self.show_message):
            events += self._server.events()
        for event in events:
            with attempted("note what the server tells", self.show_message):
                self._apply(event)
        if any(isinstance(event, Answered) and event.kept for event in events):
            with attempted("list the kept requests", self.show_message):
                self.read_shelf()
        if self.state.phase is Phase.STOPPING and time.monotonic() - self._stopping_s > _STOP_S:
            self._end(0.0)
            self._stopped()
        self._respect_online_access()
        self._show(is_news=bool(events))
        return None if self._server is None else self._server.tick_s

    def shutdown(self) -> None:
        """End the server and the timer quickly, and remove the handed-over files."""
        self._end(2.0)
        self.state.stopped()
        shutil.rmtree(blend_file().parent, ignore_errors=True)  # the folder may not exist
        self._timer.stop()

    def _start(self) -> None:
        properties, own = scene_properties(), preferences()
        is_background = properties.mode == "BACKGROUND"
        self._options = server_options(properties, own, blend_file() if is_background else None)
        check_address(own)
        if is_background:
            save_scene()
            self._server = launch(self._options)
        else:
            self._server = _start_in_window(self._options)
        self._server.keep_on(own.shelf)
        self.state.starting(_now() if is_background else "")
        self._timer.start()

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
            with suppress(StartError):  # the panel shows the error
                self.start()

    def _recover(self, event: Ended) -> None:
        """Restart a server that has crashed, unless it crashes repeatedly."""
        now_s = time.monotonic()
        often = len(self._crashes_s) == _RESTARTS and now_s - self._crashes_s[0] < _RESTARTS_WITHIN_S
        message = f"The background server crashed ({_cause(event)})"
        if often or self.state.phase is Phase.STARTING:
            last = event.log.strip().splitlines()[-1:] or ["it said nothing"]
            self.state.failed(f"{message}: {last[0]}")
            return
        self._crashes_s.append(now_s)
        scene_time = self.state.scene_time
        try:
            self._server = launch(self._options | self._same_address())
        except StartError as error:
            self.state.failed(str(error))
            return
        self._server.keep_on(preferences().shelf)
        self.state.starting(scene_time)
        self.state.message = f"{message} and was started again"

    def _respect_online_access(self) -> None:
        """Stop a server that is reachable from the network if Blender's online access is disabled."""
        if self._server is None or bpy.app.online_access or is_loopback(self._options[HOST]):
            return
        self._end(0.0)
        self.state.failed(
            f"The server was stopped: Online Access is off, and host {self._options[HOST]} reaches beyond "
            "this computer"
        )
        redraw()

    def _same_address(self) -> dict[str, str]:
        """Return the option by which the server keeps the address that clients know."""
        port = urlsplit(self.state.ready.url).port if self.state.ready else None
        return {PORT: str(port)} if port else {}

    def _end(self, grace_s: float) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            with attempted("stop the server", self.show_message):
                if grace_s:
                    server.stop()
            with attempted("end the server", self.show_message):
                server.kill(grace_s)

    def _show(self, *, is_news: bool) -> None:
        if is_news:
            redraw()
        elif self.state.uptime_s != self._shown_s:
            self._shown_s = self.state.uptime_s
            redraw_panels()


controller = Controller()
keep_changed.append(controller.shelf_changed)


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _start_in_window(options: dict[str, str]) -> Server:
    from .gltf_render_server.errors import SettingsError

    try:
        from .window import WindowServer

        return WindowServer(options)
    except ImportError as error:
        raise StartError(advice(error)) from error
    except SettingsError as error:
        raise StartError(str(error)) from error


def _cause(event: Ended) -> str:
    if event.status >= 0:
        return f"exit status {event.status}"
    with suppress(ValueError):
        return signal.Signals(-event.status).name
    return f"signal {-event.status}"
