"""What runs in a worker's process: one renderer, on its main thread."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from ..backends import make_renderer
from ..errors import WorkerLostError
from ..protocol import RenderRequest
from ..renderer import RenderedImage, Renderer, RendererInfo
from ..scratch import ScratchFolder
from ..settings import ServerSettings

__all__ = ["Greeting", "render", "start"]

_renderer: Renderer | None = None


@dataclass(frozen=True)
class Greeting:
    """What a worker says when it is ready."""

    pid: int
    info: RendererInfo
    extensions: frozenset[str]


def start(settings: ServerSettings, environment: Mapping[str, str]) -> Greeting:
    """Make the process's renderer.

    Parameters
    ----------
    settings : ServerSettings
    environment : mapping of str to str
        Set before the back end is loaded, as what pins a GPU must be.

    Raises
    ------
    SettingsError
        The back end cannot start like that.
    """
    global _renderer
    _end_with_the_server()
    scratch = ScratchFolder()  # Blender makes a folder while it is loaded, and may be killed then
    os.environ.update(environment, TMPDIR=str(scratch.path))
    logging.basicConfig(
        level=settings.logging_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    _renderer = make_renderer(settings)
    atexit.register(_end, _renderer, scratch)
    return Greeting(os.getpid(), _renderer.info, _renderer.extensions)


def render(packed: bytes) -> RenderedImage:
    """Render a pickled request with the process's renderer; see `Renderer.render`.

    Raises
    ------
    WorkerLostError
        This is not the process that was started.
    """
    if _renderer is None:
        raise WorkerLostError("the worker has ended by itself")
    request: RenderRequest = pickle.loads(packed)  # noqa: S301  the server's own
    return _renderer.render(request)


def _end_with_the_server() -> None:
    """Leave no process behind, however the server ends and whatever Blender is doing then."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal is the server's to handle
    server = multiprocessing.parent_process()
    if server is not None:
        threading.Thread(target=_wait_for, args=(server.sentinel,), name="server-watch", daemon=True).start()


def _wait_for(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(0)


def _end(renderer: Renderer, scratch: ScratchFolder) -> None:
    """End without Blender's own clean-up, which now and then waits for ever."""
    renderer.close()
    scratch.remove()
    os._exit(0)
