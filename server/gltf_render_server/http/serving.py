"""The HTTP server, based on waitress. Its threads handle requests while the main thread renders."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import flask

from ..errors import SettingsError
from ..settings import ServerSettings
from .addresses import listen, reason_of
from .connections import ConnectionServer
from .descriptors import most_connections

__all__ = ["HttpServer"]

_SPARE_THREADS = 4  # for requests that are still being read, or find the queue full


class HttpServer:
    """An HTTP server. It listens once it is constructed, and answers requests once `start` was called.

    Parameters
    ----------
    app : flask.Flask
    settings : ServerSettings
    workers : int
        The number of frames that are rendered at the same time.

    Raises
    ------
    SettingsError
        The server cannot listen on the address.
    """

    def __init__(self, app: flask.Flask, settings: ServerSettings, workers: int) -> None:
        self._socket = _listen(settings.host, settings.port)
        self._host = settings.host
        renders = settings.max_queue + workers + _SPARE_THREADS
        self._server: Any = ConnectionServer(app, self._socket, renders, most_connections(workers))
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def url(self) -> str:
        """The address of the server, with the actual port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Start to answer requests, on threads of the server."""
        self._thread.start()

    def drain(self, timeout_s: float) -> None:
        """Accept no more connections, and wait until the pending responses were sent."""
        self._server.accepting = False
        deadline_s = time.monotonic() + timeout_s
        while self._has_unsent() and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def close(self, timeout_s: float) -> None:
        """Close all connections and the port, and end the threads, in a process that continues to run."""
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
            f"cannot listen on {host}, port {port}: {reason_of(error)}; "
            "choose another with --host and --port (0 = any free port)"
        ) from error
