"""Where the scene comes from that the client's objects join: files, or the session that somebody works in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import bpy

from ..errors import SettingsError
from ..settings import ServerSettings
from . import engines, guests

__all__ = ["FileSource", "SceneSource", "SessionSource"]


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

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """Be told of the client's collections and objects, once they are in their places.

        Parameters
        ----------
        shown : sequence of bpy.types.ID
        """
        ...

    def settle(self, *, is_shown: bool) -> None:
        """Come to rest after a request.

        Parameters
        ----------
        is_shown : bool
            Whether it was rendered.
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

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.introduce`: they are nobody else's."""

    def settle(self, *, is_shown: bool) -> None:
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
        self._group: bpy.types.Collection | None = None
        self._before: set[int] = set()

    @property
    def scene(self) -> bpy.types.Scene:
        """See `SceneSource.scene`."""
        if self._copy is None:
            raise RuntimeError("the scene source has not been opened")
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
        guests.withdraw()
        self._before = {item.session_uid for item in guests.everything()}
        self._copy = self._find_scene().copy()

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.introduce`; the user's references to the last guests go to these."""
        self._group = guests.introduce(shown)

    def settle(self, *, is_shown: bool) -> None:
        """See `SceneSource.settle`."""
        if self._copy is None:
            return  # it could not even be opened
        group, self._group, self._copy = self._group if is_shown else None, None, None
        new = [item for item in guests.everything() if item.session_uid not in self._before]
        scenes = [item for item in new if isinstance(item, bpy.types.Scene)]
        for scene in scenes:
            scene.render.use_persistent_data = False  # or Cycles would keep what it has made of it
        bpy.data.batch_remove(scenes)
        guests.settle(group, self._find_scene(), [item for item in new if item not in scenes])


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
        raise SettingsError(f"{path}: Blender cannot open this file: {str(error).strip()}") from error
