"""The background server itself, as its own Blender runs it; `background` is its other end."""

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

_NICENESS = 5  # Blender's window comes first


def run(answers: BinaryIO, pictures: Path | None = None) -> None:
    """Serve until the parent says stop or is gone.

    Parameters
    ----------
    answers : binary file
        Where events go.
    pictures : Path, optional
        The folder for the last pictures.
    """
    configure_logging()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    tell = _teller(answers)
    try:
        last = LastPictures(pictures, MOST_SHOWN) if pictures else None
        _serve(ServerSettings.from_environment(), tell, last)
    except RenderServerError as error:
        tell(Failed(str(error)))
        os._exit(2)  # sys.exit would leave Blender's own exit status at 0


def _serve(settings: ServerSettings, tell: Callable[[Event], None], pictures: LastPictures | None) -> None:
    journal = Journal(tell, Shelf(Path(), 0), pictures)

    def start(server: Server) -> None:
        threading.Thread(target=_obey, args=(journal,), name="commands", daemon=True).start()
        info = server.dispatcher.info
        tell(Ready(server.url, info.version, info.engine, info.device))

    Server(settings, partial(make_renderer, settings), journal).run(start)


def _teller(answers: BinaryIO) -> Callable[[Event], None]:
    """Return what writes events one after the other, whatever thread they come from."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock, contextlib.suppress(OSError):  # the parent may be gone
            answers.write(to_line(event))
            answers.flush()

    return tell


def _obey(journal: Journal) -> None:
    """Do what the parent says; its silence, when the pipe closes, means the end as well."""
    for line in sys.stdin.buffer:
        command = json.loads(line)
        if "keep" in command:
            journal.shelf = Shelf(Path(command["folder"]), command["keep"])
        if "stop" in command:
            break
    signal.raise_signal(signal.SIGTERM)
