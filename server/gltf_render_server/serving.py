"""HTTP by waitress: its threads parse, check, wait and encode, while the main thread renders."""

from __future__ import annotations

import socket
import threading
import time
from http import HTTPStatus
from typing import Any

import flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from .addresses import listen
from .app import error_body
from .errors import SettingsError
from .settings import ServerSettings

__all__ = ["HttpServer"]

_SPARE_THREADS = 4  # for /healthz and for requests that find the queue full
_RECEIVE_BYTES = 256 * 1024  # a scene has megabytes; waitress's default of 8 KiB is for pages
_ABSURD_BYTES = 2**32  # refused by its Content-Length alone; below, the client can be told in full
_CONNECTIONS = 500
_IDLE_S = 60


class _JsonError:
    """Says what waitress itself refuses in the form in which the application says it."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        error = self._error
        advice = " (option --max-scene-mb)" if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else ""
        body = error_body(error.code, f"{error.reason}: {error.body}{advice}")
        return f"{error.code} {error.reason}", [("Content-Type", "application/json")], body


class _JsonErrorTask(ErrorTask):
    def execute(self) -> None:
        request: Any = self.request
        request.error = _JsonError(request.error)
        super().execute()


class _Channel(HTTPChannel):
    error_task_class = _JsonErrorTask


class HttpServer:
    """Listens from its construction on, and answers from `start` on.

    Parameters
    ----------
    app : flask.Flask
    settings : ServerSettings

    Raises
    ------
    SettingsError
        The address cannot be listened on.
    """

    def __init__(self, app: flask.Flask, settings: ServerSettings) -> None:
        self._socket = _listen(settings.host, settings.port)
        self._host = settings.host
        self._server: Any = create_server(
            app,
            sockets=[self._socket],
            threads=settings.max_queue + max(1, settings.workers) + _SPARE_THREADS,
            ident="glTF Render Server",
            recv_bytes=_RECEIVE_BYTES,
            max_request_body_size=_ABSURD_BYTES,
            inbuf_overflow=app.config["MAX_CONTENT_LENGTH"],  # what may be rendered stays in memory
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE_S,
            asyncore_use_poll=True,
            channel_request_lookahead=1,  # so that a client that hung up is noticed
        )
        self._server.channel_class = _Channel
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
        self._server.trigger.pull_trigger(self._close_connections)
        self._thread.join(timeout_s)
        self._server.task_dispatcher.shutdown(timeout=timeout_s)

    def _close_connections(self) -> None:
        """Leave the loop nothing to wait for; runs on its own thread."""
        for channel in list(self._server.active_channels.values()):
            channel.close()
        self._server.close()

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
