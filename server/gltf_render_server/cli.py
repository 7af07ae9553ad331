"""The composition root: options -> settings -> renderer -> server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from .app import create_app, render_queue
from .errors import SettingsError
from .renderer import Renderer
from .serving import HttpServer
from .settings import ServerSettings
from .shutdown import ShutdownWatch

__all__ = ["main", "serve"]

_LIBRARIES_OF_BLENDER = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1 "
    "libegl-mesa0 libgl1-mesa-dri"
)


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
    except SettingsError as error:
        print(f"gltf-render-server: error: {error}", file=sys.stderr)  # noqa: T201
        sys.stderr.flush()
        os._exit(2)  # inside the program, sys.exit would leave Blender's exit status at 0


def serve(settings: ServerSettings) -> None:
    """Render and answer requests until a signal ends the process.

    Must be called on the thread that Blender runs on.

    Raises
    ------
    SettingsError
        The server cannot start like that.
    """
    renderer = _make_renderer(settings)
    try:
        app = create_app(settings, renderer)
        server = HttpServer(app, settings)
    except SettingsError:
        renderer.close()
        raise
    queue = render_queue(app)
    watch = ShutdownWatch(queue, server.drain, renderer.close)
    server.start()
    print(f"Running on {server.url}", flush=True)  # noqa: T201
    queue.run()
    watch.wait()


def _make_renderer(settings: ServerSettings) -> Renderer:
    try:
        from .blender import BlenderRenderer  # not at the top: --help must not wait for Blender
    except ImportError as error:
        raise SettingsError(_advice(error)) from error
    return BlenderRenderer(settings)


def _advice(error: ImportError) -> str:
    if error.name and error.name.partition(".")[0] == "bpy":
        return (
            f"{error}; the bpy package exists for Python 3.11 and 3.13. With another Python, run the server "
            "inside Blender: blender -b -P scripts/serve.py"
        )
    return f"Blender cannot start: {error}; on Debian or Ubuntu: sudo apt install {_LIBRARIES_OF_BLENDER}"
