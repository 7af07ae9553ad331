"""The program ``gltf-render-dataset``, and ``python -m gltf_render_server.dataset``."""

from __future__ import annotations

import sys

from ..process.interruption import instant_interruption
from ..process.shutdown import end_at_once


def main() -> None:
    """Run the program."""
    try:
        with instant_interruption():
            from .cli import program  # not at the top: workers' processes import this module, too
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "bpy":
            raise
        from ..extras import brought_by

        sys.exit(f"gltf-render-dataset: error: the package {error.name} is missing; {brought_by('dataset')}")
    try:
        program()
    except SystemExit as ended:
        if "bpy" in sys.modules and isinstance(ended.code, int):
            end_at_once(ended.code)
        raise


if __name__ == "__main__":
    main()
