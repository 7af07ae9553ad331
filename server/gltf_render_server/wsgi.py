"""The application for WSGI servers: ``gunicorn --timeout 0 --workers 8 gltf_render_server.wsgi:app``.

Each of the WSGI server's processes has a Blender beside it, started with the first request: after any fork.
Settings come from the environment.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import flask

from .app import create_app
from .pool import RenderPool
from .settings import ServerSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Application", "app"]


class Application:
    """A WSGI application that makes its server in the process that calls it.

    Parameters
    ----------
    settings : ServerSettings
        Without workers, it gets one.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = replace(settings, workers=max(1, settings.workers))
        self._app: flask.Flask | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        return self._of_this_process()(environ, start_response)

    def _of_this_process(self) -> flask.Flask:
        with self._lock:
            if self._app is None or self._pid != os.getpid():
                self._app, self._pid = self._make(), os.getpid()
            return self._app

    def _make(self) -> flask.Flask:
        pool = RenderPool(self._settings)
        atexit.register(pool.shut_down)
        return create_app(self._settings, pool)


def _application() -> Application:
    settings = ServerSettings.from_environment()
    if not logging.root.handlers:
        logging.basicConfig(
            level=settings.logging_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
    return Application(settings)


app = _application()
"""Settings that are wrong stop the import, and so the WSGI server."""
