"""glTF Render Server: an add-on that runs, shows and debugs the render server in Blender's own window.

``registration`` says what Blender gets. ``control`` holds the server, which ``background`` runs in a
process of its own, with ``child`` at the other end, and ``window`` in this one; ``panels`` shows its
``state``. The server's package lies beside as ``gltf_render_server``; the modules that need its
dependencies are loaded with the first server.
"""

from __future__ import annotations

import importlib
import sys

__all__ = ["register", "unregister"]


def register() -> None:
    """Switch the add-on on."""
    importlib.import_module(f"{__name__}.registration").register()


def unregister() -> None:
    """Switch the add-on off, and leave nothing of it behind, not even its modules."""
    sys.modules[f"{__name__}.registration"].unregister()
    for name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
        del sys.modules[name]
        globals().pop(name.removeprefix(f"{__name__}."), None)
