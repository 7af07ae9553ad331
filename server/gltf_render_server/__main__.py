"""``python -m gltf_render_server``."""

from .cli import main

if __name__ == "__main__":  # the workers' processes import this module, too
    main()
