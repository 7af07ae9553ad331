"""glTF Render Server: an add-on that runs, shows and debugs the render server in Blender's own window.

``registration`` lists what is registered in Blender. ``control`` owns the server. The server runs either in a
separate process (``background`` here, ``child`` in that process) or in this one (``window``). ``panels``
shows its ``state``. The server's package is the subfolder ``gltf_render_server``. Modules that need its
dependencies are imported when the first server starts.
"""

from __future__ import annotations

import importlib
import sys

__all__ = ["register", "unregister"]


def register() -> None:
    """Enable the add-on."""
    importlib.import_module(f"{__name__}.registration").register()


def unregister() -> None:
    """Disable the add-on, and remove everything that it added, including its modules."""
    sys.modules[f"{__name__}.registration"].unregister()
    for name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
        del sys.modules[name]
        globals().pop(name.removeprefix(f"{__name__}."), None)
