"""The server program: read the options, make the settings, and serve until a signal ends the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from .compose import Server
from .errors import RenderServerError
from .process.logs import configure_logging
from .settings import ServerSettings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server until a signal ends it.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments without the program's name. The default is the arguments of this process.
    """
    settings = ServerSettings.from_command_line(sys.argv[1:] if arguments is None else arguments)
    configure_logging(settings.logging_level)
    try:
        Server(settings).run(_print_address)
    except RenderServerError as error:
        print(f"gltf-render-server: error: {error}", file=sys.stderr)  # noqa: T201
        sys.stderr.flush()
        os._exit(2)  # when Python runs inside Blender, sys.exit would leave Blender's exit status at 0


def _print_address(server: Server) -> None:
    with suppress(OSError):  # a full disk, or nobody who reads it
        print(f"Running on {server.url}", flush=True)  # noqa: T201
