"""Entry point of the program ``gltf-render`` and of ``python -m gltf_render_server.pictures``."""

from __future__ import annotations

import os
import sys

from ..process.interruption import instant_interruption


def main() -> None:
    """Run the program."""
    with instant_interruption():
        from .cli import program  # imported here because the worker process imports this module, too

    _keep_for_paths()
    program(prog_name="gltf-render")


def _keep_for_paths() -> None:
    """Reserve standard output for paths. What Blender prints in its process goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors="surrogateescape")


if __name__ == "__main__":
    main()
