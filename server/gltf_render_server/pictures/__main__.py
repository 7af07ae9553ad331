"""The program ``gltf-render``, and ``python -m gltf_render_server.pictures``."""

from __future__ import annotations


def main() -> None:
    """Run the program."""
    from .cli import program  # not at the top: the worker's process imports this module, too

    program(prog_name="gltf-render")


if __name__ == "__main__":
    main()
