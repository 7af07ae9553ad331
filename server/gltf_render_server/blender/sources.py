"""Where the scene comes from that the client's objects join: files, or the session that somebody works in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import bpy

from ..errors import SettingsError
from ..settings import ServerSettings
from . import engines
from .importing import remove_unused

__all__ = ["GUESTS", "FileSource", "SceneSource", "SessionSource", "adopt_guests", "remove_guests"]

GUESTS = "glTF Client"
"""The collection in which a session shows the client's objects."""

_MARK = "gltf_render_server_guest"  # a custom property: Python's references do not survive undo


class SceneSource(Protocol):
    """A scene to render in, as often as it is asked for.

    Attributes
    ----------
    has_user_scene : bool
        Whether the scene is the user's, with settings that are to be respected.
    """

    has_user_scene: bool

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene that was opened."""
        ...

    @property
    def device(self) -> str:
        """What Cycles renders on."""
        ...

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """Folders to be removed with the renderer."""
        ...

    def stamp(self) -> object:
        """Return what is equal to the last as long as the scene need not be opened again."""
        ...

    def open(self) -> None:
        """Open the scene; nothing that was added to the last one is there any more.

        Raises
        ------
        SettingsError
        """
        ...

    def settle(self, shown: Sequence[bpy.types.ID]) -> None:
        """Come to rest after a request.

        Parameters
        ----------
        shown : sequence of bpy.types.ID
            The collections and objects that were rendered; empty after a failure.
        """
        ...


class FileSource:
    """The .blend of the settings, or an empty scene, in a Blender that is the server's alone.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self.has_user_scene = settings.blend_file is not None

    @property
    def scene(self) -> bpy.types.Scene:
        """See `SceneSource.scene`."""
        return bpy.context.scene

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """See `SceneSource.leftovers`; another after each opening."""
        return (Path(bpy.app.tempdir),)

    @property
    def device(self) -> str:
        """See `SceneSource.device`."""
        return engines.describe_device()

    def stamp(self) -> object:
        """See `SceneSource.stamp`; tells whether a file has changed."""
        files = (self._settings.blend_file, self._settings.bpy_settings_file)
        return tuple(_stamp(file) for file in files if file is not None)

    def open(self) -> None:
        """See `SceneSource.open`."""
        for scene in bpy.data.scenes:  # or what Cycles keeps would meet other scenes of the same names
            scene.render.use_persistent_data = False
        bpy.ops.wm.read_factory_settings(use_empty=True)
        engines.choose_device(self._settings.device)
        if self._settings.blend_file is not None:
            _open_blend(self._settings.blend_file)
        self.scene.cycles.device = "GPU" if self.device != "CPU" else "CPU"

    def settle(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.settle`: all stays, for the next request to change."""


class SessionSource:
    """The scene that somebody works on in Blender's window.

    What is rendered is a copy that shares its objects, so that nothing of the user's is ever changed. After a
    request, what is left is a collection with the client's objects, to be looked at until the next request.

    Parameters
    ----------
    find_scene : callable
        Returns the user's scene.
    """

    has_user_scene = True
    leftovers = ()

    def __init__(self, find_scene: Callable[[], bpy.types.Scene]) -> None:
        self._find_scene = find_scene
        self._copy: bpy.types.Scene | None = None
        self._before: set[int] = set()

    @property
    def scene(self) -> bpy.types.Scene:
        """See `SceneSource.scene`."""
        if self._copy is None:
            raise RuntimeError("the scene has not been opened")
        return self._copy

    @property
    def device(self) -> str:
        """See `SceneSource.device`; as the user has set it up."""
        is_gpu = self._find_scene().cycles.device == "GPU" and engines.has_gpu()
        return engines.describe_device() if is_gpu else "CPU"

    def stamp(self) -> object:
        """See `SceneSource.stamp`; the user may have changed anything."""
        return object()

    def open(self) -> None:
        """See `SceneSource.open`."""
        remove_guests()
        self._before = {item.session_uid for item in _everything()}
        self._copy = self._find_scene().copy()

    def settle(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.settle`."""
        if shown:
            group = bpy.data.collections.new(GUESTS)
            self._find_scene().collection.children.link(group)
            _link(group, shown)
        self._copy = None
        new = [item for item in _everything() if item.session_uid not in self._before]
        scenes = [item for item in new if isinstance(item, bpy.types.Scene)]
        for scene in scenes:
            scene.render.use_persistent_data = False  # or Cycles would keep what it has made of it
        bpy.data.batch_remove(scenes)
        for item in remove_unused({item for item in new if item not in scenes}):
            item[_MARK] = True


def remove_guests() -> None:
    """Remove what a `SessionSource` has left to be looked at, but for what the user has made use of."""
    guests = _guests()
    placed = [item for item in guests if isinstance(item, (bpy.types.Object, bpy.types.Collection))]
    bpy.data.batch_remove(placed)
    for item in remove_unused({item for item in guests if item not in placed}):
        del item[_MARK]


def adopt_guests(name: str) -> None:
    """Make what a `SessionSource` has left the user's own, in a collection of that name."""
    for item in _guests():
        del item[_MARK]
        if isinstance(item, bpy.types.Collection) and item.name == GUESTS:
            item.name = name


def _guests() -> list[Any]:
    return [item for item in _everything() if _MARK in item]


def _everything() -> Iterator[Any]:
    """Yield every datablock of this session that can be removed."""
    for name in dir(bpy.data):
        kind = getattr(bpy.data, name)
        if isinstance(kind, bpy.types.bpy_prop_collection) and hasattr(kind, "remove"):
            yield from (item for item in kind if item.library is None)


def _link(group: bpy.types.Collection, shown: Sequence[Any]) -> None:
    for item in shown:
        if isinstance(item, bpy.types.Collection):
            group.children.link(item)
        else:
            group.objects.link(item)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _open_blend(path: Path) -> None:
    try:
        bpy.ops.wm.open_mainfile(filepath=os.fspath(path), load_ui=False, use_scripts=False)
    except RuntimeError as error:
        raise SettingsError(f"{path}: Blender cannot open it: {str(error).strip()}") from error
