"""``python -m gltf_render_server``."""

from .cli import main

main()
