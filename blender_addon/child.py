"""The background server, which runs in a separate Blender process; `background` is its counterpart."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from .events import Event, Failed, Ready, to_line
from .gltf_render_server.backends import make_renderer
from .gltf_render_server.compose import Server
from .gltf_render_server.errors import RenderServerError
from .gltf_render_server.process.logs import configure_logging
from .gltf_render_server.settings import ServerSettings
from .journal import Journal
from .kept_requests import Shelf
from .last_pictures import LastPictures
from .state import MOST_SHOWN

__all__ = ["run"]

_NICENESS = 5  # gives Blender's window priority


def run(answers: BinaryIO, pictures: Path | None = None) -> None:
    """Serve until the parent sends the command to stop, or has ended.

    Parameters
    ----------
    answers : binary file
        The file to which events are written.
    pictures : Path, optional
        The folder for the latest images.
    """
    configure_logging()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    send = _event_writer(answers)
    try:
        last = LastPictures(pictures, MOST_SHOWN) if pictures else None
        _serve(ServerSettings.from_environment(), send, last)
    except RenderServerError as error:
        send(Failed(str(error)))
        os._exit(2)  # sys.exit would leave Blender's own exit status at 0


def _serve(settings: ServerSettings, send: Callable[[Event], None], pictures: LastPictures | None) -> None:
    journal = Journal(send, Shelf(Path(), 0), pictures)

    def start(server: Server) -> None:
        threading.Thread(target=_obey, args=(journal,), name="commands", daemon=True).start()
        info = server.dispatcher.info
        send(Ready(server.url, info.version, info.engine, info.device))

    Server(settings, partial(make_renderer, settings), journal).run(start)


def _event_writer(answers: BinaryIO) -> Callable[[Event], None]:
    """Return a function that writes events one after the other, from any thread."""
    lock = threading.Lock()

    def send(event: Event) -> None:
        with lock, contextlib.suppress(OSError):  # the parent may have ended
            answers.write(to_line(event))
            answers.flush()

    return send


def _obey(journal: Journal) -> None:
    """Execute the parent's commands. When the pipe closes, that means to stop, too."""
    for line in sys.stdin.buffer:
        command = json.loads(line)
        if "keep" in command:
            journal.shelf = Shelf(Path(command["folder"]), command["keep"])
        if "stop" in command:
            break
    signal.raise_signal(signal.SIGTERM)
