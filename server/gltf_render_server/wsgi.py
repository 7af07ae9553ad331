"""The application for WSGI servers: ``gunicorn --timeout 0 --workers 8 gltf_render_server.wsgi:app``.

Each process of the WSGI server starts one Blender process of its own. It does so after any fork and before
the first request. Settings come from environment variables.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import flask

from .compose import make_app
from .errors import SettingsError
from .process.logs import configure_logging
from .recording import make_recorders
from .settings import ServerSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Application", "app"]

_FORK_S = 2.0  # a WSGI server that loads the application before it forks does so within this time


class Application:
    """A WSGI application that creates its server in the process that answers the requests.

    Parameters
    ----------
    settings : ServerSettings
        The settings. If they name no workers, the server gets one worker.

    Raises
    ------
    SettingsError
        The number of workers is ``auto``. Each process of the WSGI server would start as many.
    """

    def __init__(self, settings: ServerSettings) -> None:
        if settings.workers == "auto":
            raise SettingsError(
                "workers: auto is for gltf-render-server; here, say how many processes the WSGI server has"
            )
        self._settings = replace(settings, workers=max(1, settings.workers))
        self._app: flask.Flask | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        return self._of_this_process()(environ, start_response)

    def start(self) -> None:
        """Begin to start this process's Blender, unless that has begun already. The call returns at once."""
        self._of_this_process()

    def start_after_any_fork(self) -> None:
        """Start Blender in this process, or in its forks if it forks soon.

        gunicorn loads the application in its workers, or with ``--preload`` in the process that forks them.
        """
        timer = threading.Timer(_FORK_S, self.start)
        timer.daemon = True

        def stay_out() -> None:
            timer.cancel()
            if timer.is_alive():
                timer.join()

        os.register_at_fork(before=stay_out, after_in_child=self._start_in_child)
        timer.start()

    def _start_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._app is None:  # otherwise this process answers requests itself, and forks for other reasons
            self.start()

    def _of_this_process(self) -> flask.Flask:
        with self._lock:
            if self._app is None or self._pid != os.getpid():
                self._app, self._pid = self._make(), os.getpid()
            return self._app

    def _make(self) -> flask.Flask:
        app, dispatcher = make_app(self._settings, make_recorders(self._settings.record))
        atexit.register(dispatcher.shut_down)
        return app


def _application() -> Application:
    settings = ServerSettings.from_environment()
    configure_logging(settings.logging_level)
    application = Application(settings)
    if hasattr(os, "register_at_fork"):
        application.start_after_any_fork()
    return application


app = _application()
"""Create the application. Invalid settings make the import fail, which stops the WSGI server."""
