"""The program ``gltf-render``, and ``python -m gltf_render_server.pictures``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the program."""
    from .cli import program  # not at the top: the worker's process imports this module, too

    _keep_for_paths()
    program(prog_name="gltf-render")


def _keep_for_paths() -> None:
    """Let nobody else write to standard output: what Blender prints in its process goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors="surrogateescape")


if __name__ == "__main__":
    main()
