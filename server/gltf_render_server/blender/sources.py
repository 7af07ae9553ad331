"""Sources of the scene to which the client's objects are added: files, or a user's Blender session."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import bpy

from ..errors import SettingsError
from ..settings import ServerSettings
from . import engines, guests

__all__ = ["FileSource", "SceneSource", "SessionSource"]


class SceneSource(Protocol):
    """A scene to render in, which can be opened repeatedly.

    Attributes
    ----------
    has_user_scene : bool
        Whether the scene is the user's, whose settings must be respected.
    """

    has_user_scene: bool

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene that was opened."""
        ...

    @property
    def device(self) -> str:
        """The device on which Cycles renders."""
        ...

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """Folders to be removed with the renderer."""
        ...

    def stamp(self) -> object:
        """Return a value that changes when the scene has to be opened again."""
        ...

    def open(self) -> None:
        """Open the scene, without anything that was added to the previous one.

        Raises
        ------
        SettingsError
        """
        ...

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """Receive the client's collections and objects, once they are set up.

        Parameters
        ----------
        shown : sequence of bpy.types.ID
        """
        ...

    def settle(self, *, is_shown: bool) -> None:
        """Clean up after a request.

        Parameters
        ----------
        is_shown : bool
            Whether the request was rendered.
        """
        ...


class FileSource:
    """The .blend of the settings, or an empty scene, in a Blender process used by the server only.

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
        """See `SceneSource.leftovers`. There is another folder after each opening."""
        return (Path(bpy.app.tempdir),)

    @property
    def device(self) -> str:
        """See `SceneSource.device`."""
        return engines.describe_device()

    def stamp(self) -> object:
        """See `SceneSource.stamp`. It changes with the files."""
        files = (self._settings.blend_file, self._settings.bpy_settings_file)
        return tuple(_stamp(file) for file in files if file is not None)

    def open(self) -> None:
        """See `SceneSource.open`."""
        # otherwise data that Cycles keeps would be applied to new scenes with the same names
        for scene in bpy.data.scenes:
            scene.render.use_persistent_data = False
        bpy.ops.wm.read_factory_settings(use_empty=True)
        engines.choose_device(self._settings.device)
        if self._settings.blend_file is not None:
            _open_blend(self._settings.blend_file)
        self.scene.cycles.device = "GPU" if self.device != "CPU" else "CPU"

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.introduce`. Here, nothing has to be done."""

    def settle(self, *, is_shown: bool) -> None:
        """See `SceneSource.settle`. Everything stays, for the next request to update."""


class SessionSource:
    """The scene on which a user works in Blender's window.

    The server renders a copy that shares the scene's objects, so nothing of the user's is changed. After a
    request, a collection with the client's objects remains visible until the next request.

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
        """See `SceneSource.device`; the user's preferences decide."""
        is_gpu = self._find_scene().cycles.device == "GPU" and engines.has_gpu()
        return engines.describe_device() if is_gpu else "CPU"

    def stamp(self) -> object:
        """See `SceneSource.stamp`. It always changes, because the user may have changed anything."""
        return object()

    def open(self) -> None:
        """See `SceneSource.open`."""
        guests.withdraw()
        self._before = {item.session_uid for item in guests.everything()}
        self._copy = self._find_scene().copy()

    def introduce(self, shown: Sequence[bpy.types.ID]) -> None:
        """See `SceneSource.introduce`.

        The user's references to previous guests are redirected to the new ones.
        """
        self._group = guests.introduce(shown)

    def settle(self, *, is_shown: bool) -> None:
        """See `SceneSource.settle`."""
        if self._copy is None:
            return  # the scene could not be opened
        group, self._group, self._copy = self._group if is_shown else None, None, None
        new = [item for item in guests.everything() if item.session_uid not in self._before]
        scenes = [item for item in new if isinstance(item, bpy.types.Scene)]
        for scene in scenes:
            scene.render.use_persistent_data = False  # otherwise Cycles would keep its data of the scene
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
    window: Any = bpy.context.window
    if window.scene.library is not None:  # nothing can be added to a linked scene
        window.scene = window.scene.copy()
