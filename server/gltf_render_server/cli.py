"""The program: options -> settings -> a server that runs until a signal ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

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
        Without the program's name; by default those of the process.
    """
    settings = ServerSettings.from_command_line(sys.argv[1:] if arguments is None else arguments)
    configure_logging(settings.logging_level)
    try:
        Server(settings).run(_tell)
    except RenderServerError as error:
        print(f"gltf-render-server: error: {error}", file=sys.stderr)  # noqa: T201
        sys.stderr.flush()
        os._exit(2)  # inside the program, sys.exit would leave Blender's exit status at 0


def _tell(server: Server) -> None:
    print(f"Running on {server.url}", flush=True)  # noqa: T201
