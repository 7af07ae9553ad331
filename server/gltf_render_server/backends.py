"""Look-up of back ends by name: those of this package, and those that other packages register."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from .errors import SettingsError
from .extras import brought_by
from .renderer import Renderer
from .settings import ServerSettings

__all__ = ["ENTRY_POINT_GROUP", "backend_names", "make_renderer"]

ENTRY_POINT_GROUP = "gltf_render_server.renderers"
"""The entry point group in which a package registers its back end class.

The class is called with the settings.
"""

_BPY_OF_PYTHON = {(3, 11): "4.5", (3, 13): "5.2"}
"""The version of the bpy package that is published for each Python version."""

_LIBRARIES_OF_BLENDER = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1 "
    "libegl-mesa0 libgl1-mesa-dri"
)


def make_renderer(settings: ServerSettings) -> Renderer:
    """Create the back end that the settings name. Call this on the thread that will own the back end.

    Raises
    ------
    SettingsError
        No back end has that name, or the back end cannot start.
    """
    load = _own_backends().get(settings.backend) or _foreign_backend(settings.backend)
    try:
        backend = load()
    except ImportError as error:
        raise SettingsError(_advice(settings.backend, error)) from error
    return backend(settings)


def backend_names() -> list[str]:
    """Return the names of all available back ends, this package's own first."""
    foreign = {entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}
    return [*_own_backends(), *sorted(foreign - _own_backends().keys())]


def _own_backends() -> dict[str, Callable[[], Callable[[ServerSettings], Renderer]]]:
    """Return a loader for each back end, so that a back end is imported only when it is asked for."""
    return {"blender": _load_blender, "vtk": _load_vtk}


def _load_blender() -> Callable[[ServerSettings], Renderer]:
    from .blender import BlenderRenderer

    return BlenderRenderer


def _load_vtk() -> Callable[[ServerSettings], Renderer]:
    from .vtk import VtkRenderer

    return VtkRenderer


def _foreign_backend(name: str) -> Callable[[], Callable[[ServerSettings], Renderer]]:
    found: list[EntryPoint] = list(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if not found:
        raise SettingsError(
            f"--backend {name}: there is no such back end; there are {', '.join(backend_names())}"
        )
    return found[0].load


def _advice(name: str, error: ImportError) -> str:
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing == "bpy":
        return f"{error}; {_where_bpy_is()}"
    if name == "vtk" and missing == "vtkmodules":
        return f"{error}; {brought_by('vtk')}"
    if name == "blender" and not missing:
        return (
            f"Blender lacks a library of the system: {error}\non Debian or Ubuntu: "
            f"sudo apt install {_LIBRARIES_OF_BLENDER}"
        )
    return f"--backend {name}: {error}"


def _where_bpy_is() -> str:
    """Return a hint on how to get Blender for this Python version, or which Python version has it."""
    if release := _BPY_OF_PYTHON.get(sys.version_info[:2]):
        return f'pip install "bpy=={release}.*" brings Blender {release}'
    here = ".".join(map(str, sys.version_info[:2]))
    return (
        f"the bpy package exists for Python 3.11 and 3.13, and this is {here}. Run the server with one of "
        "them, or inside Blender, without workers: blender -b -P scripts/serve.py"
    )
