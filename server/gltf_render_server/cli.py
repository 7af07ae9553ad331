"""The composition root: options -> settings -> back end -> server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

from .backends import make_renderer
from .dispatch.jobs import RenderQueue
from .dispatch.pool import RenderPool
from .dispatch.service import RenderService
from .errors import RenderServerError, SettingsError
from .http.access import check_exposure
from .http.app import create_app
from .http.serving import HttpServer
from .process.reload import watch_code
from .process.shutdown import ShutdownWatch
from .recording import recorders
from .settings import ServerSettings

__all__ = ["main", "serve"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server until a signal ends it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the process.
    """
    settings = ServerSettings.from_command_line(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(
        level=settings.logging_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        serve(settings)
    except RenderServerError as error:
        print(f"gltf-render-server: error: {error}", file=sys.stderr)  # noqa: T201
        sys.stderr.flush()
        os._exit(2)  # inside the program, sys.exit would leave Blender's exit status at 0


def serve(settings: ServerSettings) -> None:
    """Render and answer requests until a signal ends the process.

    Must be called on the main thread, which the back end gets for its own, unless there are workers.

    Raises
    ------
    SettingsError
        The server cannot start like that.
    """
    settings.check()
    check_exposure(settings)
    if settings.workers:
        _serve_with_workers(settings)
    else:
        _serve_alone(settings)


def _serve_alone(settings: ServerSettings) -> None:
    renderer = make_renderer(settings)
    queue = RenderQueue(renderer, settings.max_queue)
    try:
        watch = _answer(queue, settings, queue.shut_down)
    except SettingsError:
        renderer.close()
        raise
    queue.run()
    watch.wait()


def _serve_with_workers(settings: ServerSettings) -> None:
    pool = RenderPool(settings)
    try:
        watch = _answer(pool, settings, pool.shut_down)
    except SettingsError:
        pool.shut_down()
        raise
    watch.wait()


def _answer(service: RenderService, settings: ServerSettings, clean_up: Callable[[], None]) -> ShutdownWatch:
    """Answer from now on, and until a signal comes."""
    observers = recorders(settings.record)
    server = HttpServer(create_app(settings, service, *observers), settings)

    def clean_up_all() -> None:
        clean_up()
        for recorder in observers:
            recorder.close()

    watch = ShutdownWatch(service, server.drain, clean_up_all)
    server.start()
    if settings.debug:
        watch_code(watch.restart)
    print(f"Running on {server.url}", flush=True)  # noqa: T201
    return watch
