"""Images of a local glTF file: the program ``gltf-render``, and `render_file` for Python.

This package handles files, users and output. Lower layers determine the content of an image and render it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .looks import Lighting
    from .making import Wanted, render_file

__all__ = ["Lighting", "Wanted", "render_file"]

_MODULES = {"Lighting": ".looks", "Wanted": ".making", "render_file": ".making"}


def __getattr__(name: str) -> Any:
    """Import a module at its first use, because the program's worker imports this package and needs none."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
