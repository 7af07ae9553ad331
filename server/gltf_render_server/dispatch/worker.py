"""The code of a worker process. It has one renderer, which it uses and closes on its main thread."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..backends import make_renderer
from ..errors import RenderError, RenderServerError
from ..passes import Render
from ..process.logs import configure_logging
from ..process.memory import keep_freed_memory
from ..process.shutdown import end_at_once
from ..renderer import RenderedFrame, Renderer, RendererInfo
from ..settings import ServerSettings
from .arrays import ArrayFile, Stored
from .sharing import Share
from .transfer import RecentAssets, unpacked

__all__ = ["Begun", "Handshake", "Message", "run"]

_logger = logging.getLogger(__name__)

_NOTICE_S = 0.2  # the time to notice the end of the server, which comes with the removal of its files


@dataclass(frozen=True)
class Handshake:
    """The message of a worker that is ready."""

    info: RendererInfo
    extensions: frozenset[str]
    renders: frozenset[Render]
    looks: frozenset[str]

    @classmethod
    def of(cls, renderer: Renderer) -> Handshake:
        """Make the message from a renderer's properties."""
        return cls(renderer.info, renderer.extensions, renderer.renders, renderer.looks)


@dataclass(frozen=True)
class Begun:
    """The message of a worker that has received a whole request and begins to render it."""


Message = Handshake | Begun | RenderedFrame | Stored | BaseException
"""The messages of a worker: `Handshake` once, then for each request `Begun` and the result."""


def run(
    connection: Connection,
    settings: ServerSettings,
    share: Share,
    environment: Mapping[str, str],
    arrays: Path,
) -> None:
    """Render the requests from `connection` until it is closed, then end the process.

    Parameters
    ----------
    connection : Connection
        The connection from which requests are received, and to which messages are sent.
    settings : ServerSettings
    share : Share
        The resources of the process. It is pinned to its processors before the back end is loaded.
    environment : mapping of str to str
        Environment variables that are set before the back end is loaded, such as those that select a GPU.
    arrays : Path
        See `ArrayFile`.
    """
    _end_with_the_server()
    os.environ.update(environment)
    if share.cpus:
        with suppress(OSError):  # the server's processors have changed meanwhile
            os.sched_setaffinity(0, share.cpus)
    tempfile.tempdir = None  # makes Python read TMPDIR again
    keep_freed_memory()
    configure_logging(settings.logging_level)
    try:
        _serve(connection, replace(settings, threads=share.threads or "all"), ArrayFile(arrays))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the server has closed the connection
    except BaseException as error:  # noqa: BLE001  this is the outermost level of the process
        _log_failure("the render worker failed", error)
    finally:
        end_at_once(0)


def _serve(connection: Connection, settings: ServerSettings, arrays: ArrayFile) -> None:
    try:
        renderer = make_renderer(settings)
    except Exception as error:  # noqa: BLE001  raised again in the server
        connection.send(_sendable(error))
        return
    try:
        connection.send(Handshake.of(renderer))
        assets = RecentAssets()
        while True:
            message = connection.recv_bytes()
            connection.send(Begun())
            outcome = _outcome(renderer, message, assets)
            connection.send(arrays.store(outcome) if isinstance(outcome, RenderedFrame) else outcome)
    finally:
        renderer.close()


def _outcome(renderer: Renderer, message: bytes, assets: RecentAssets) -> RenderedFrame | BaseException:
    try:
        return renderer.render(unpacked(message, assets))
    except BaseException as error:  # noqa: BLE001  raised again in the thread that waits for it
        return _sendable(error)


def _sendable(error: BaseException) -> BaseException:
    """Log the details of an error that only this process knows, and return an error that can be pickled."""
    if not isinstance(error, RenderServerError):
        _log_failure("the rendering back end failed with an unexpected error", error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  made here
    except Exception:  # noqa: BLE001  a back end's own error may do anything
        return RenderError(f"{type(error).__name__}: {error}")
    return error


def _log_failure(message: str, error: BaseException) -> None:
    """Log an error with its traceback, unless the server has ended, whose files are removed then."""
    server = multiprocessing.parent_process()
    if server is None or not wait([server.sentinel], _NOTICE_S):
        _logger.error(message, exc_info=error)


def _end_with_the_server() -> None:
    """Make sure that this process ends with the server, whatever Blender is doing then."""
    # a terminal sends these to all processes, but only the server should handle them
    for name in ("SIGHUP", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the server until here
    server = multiprocessing.parent_process()
    if server is not None:
        threading.Thread(target=_wait_for, args=(server.sentinel,), name="server-watch", daemon=True).start()


def _wait_for(sentinel: int) -> None:
    wait([sentinel])
    os._exit(0)
