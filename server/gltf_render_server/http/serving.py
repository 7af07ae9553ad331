"""HTTP by waitress: its threads parse, check, wait and encode, while the main thread renders."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import flask

from ..errors import SettingsError
from ..settings import ServerSettings
from .addresses import listen
from .connections import ConnectionServer
from .descriptors import most_connections

__all__ = ["HttpServer"]

_SPARE_THREADS = 4  # for requests that find the queue full, or are still being read


class HttpServer:
    """Listens from its construction on, and answers from `start` on.

    Parameters
    ----------
    app : flask.Flask
    settings : ServerSettings
    workers : int
        How many renders there are at once.

    Raises
    ------
    SettingsError
        The address cannot be listened on.
    """

    def __init__(self, app: flask.Flask, settings: ServerSettings, workers: int) -> None:
        self._socket = _listen(settings.host, settings.port)
        self._host = settings.host
        renders = settings.max_queue + workers + _SPARE_THREADS
        self._server: Any = ConnectionServer(app, self._socket, renders, most_connections(workers))
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where the server is reached, with the true port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Answer requests, on threads of its own."""
        self._thread.start()

    def drain(self, timeout_s: float) -> None:
        """Take no more connections, and wait until what was answered has been sent."""
        self._server.accepting = False
        deadline_s = time.monotonic() + timeout_s
        while self._has_unsent() and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def close(self, timeout_s: float) -> None:
        """Close every connection and the port, and end the threads, in a process that goes on without."""
        self._server.end_loop()
        self._thread.join(timeout_s)
        self._server.end_threads(timeout_s)

    def _has_unsent(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; "
            "choose another with --host and --port (0 = any free port)"
        ) from error
