"""Starts a server: checks its address, saves the scene for it, and starts its process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import bpy

from . import child_main
from .background import BackgroundServer
from .changes import handed_over
from .gltf_render_server.http.addresses import is_loopback, listen, reason_of
from .options import child_environment
from .preferences import ServerPreferences
from .session import main_window

__all__ = [
    "StartError",
    "blend_file",
    "check_address",
    "launch",
    "pictures_folder",
    "save_copy",
    "save_scene",
]


class StartError(Exception):
    """The server cannot start. The message is shown to the user."""


def check_address(own: ServerPreferences) -> None:
    """Check that the server may and can listen on an address, before anything is started.

    Raises
    ------
    StartError
    """
    host = own.listens_on
    if not is_loopback(host):
        if not bpy.app.online_access:
            raise StartError(
                f"Host {host} reaches beyond this computer, which Blender must permit: Preferences > "
                "System > Network > Allow Online Access"
            )
        if not own.token.strip():
            raise StartError(
                f"Host {host} lets other computers in: set a token in the add-on's preferences "
                "(Generate Token makes one)"
            )
    try:
        listen(host, own.port).close()
    except OSError as error:
        raise StartError(
            f"Port {own.port} of {host} cannot be used ({reason_of(error)}): another program may have it; "
            "choose another in the add-on's preferences"
        ) from error


def launch(options: Mapping[str, str]) -> BackgroundServer:
    """Start the background server's process.

    Raises
    ------
    StartError
    """
    command = [bpy.app.binary_path, "-b", "--factory-startup", "--offline-mode", "-P", child_main.__file__]
    file = blend_file()
    environment = child_environment(options)
    environment[child_main.PATHS] = json.dumps(sys.path)
    environment[child_main.PICTURES] = os.fspath(pictures_folder())
    # a Blender with factory settings knows no extension, and would remove the wheels of all that it finds
    environment["BLENDER_USER_RESOURCES"] = os.fspath(file.with_name("resources"))
    try:
        return BackgroundServer(command, environment, file.with_suffix(".log"))
    except OSError as error:
        raise StartError(f"The background server could not be started: {error}") from error


def blend_file() -> Path:
    """Return the file by which the scene is handed over."""
    return Path(bpy.app.tempdir) / "gltf_render_server" / "scene.blend"


def pictures_folder() -> Path:
    """Return the folder of the latest images, which is removed together with that of the scene."""
    return blend_file().with_name("pictures")


def save_scene() -> None:
    """Save a copy of the open scene. The server opens it with the next request.

    Raises
    ------
    StartError
        The file cannot be written.
    """
    file = blend_file()
    new = file.with_stem("new")
    try:
        file.parent.mkdir(exist_ok=True)
        save_copy(new)
        new.replace(file)
        handed_over.note()
    except (OSError, RuntimeError) as error:
        raise StartError(f"The scene could not be handed to the server: {error}") from error


def save_copy(file: Path) -> None:
    """Save a copy of the open file, without changing the user's own file.

    Raises
    ------
    RuntimeError
        The file cannot be written.
    """
    with bpy.context.temp_override(window=main_window()), _without_thumbnail():
        bpy.ops.wm.save_as_mainfile(filepath=os.fspath(file), copy=True, check_existing=False)


@contextmanager
def _without_thumbnail() -> Iterator[None]:
    """Prevent Blender from rendering a thumbnail for the file, which takes longer than saving it."""
    preferences = bpy.context.preferences
    kept, was_dirty = preferences.filepaths.file_preview_type, preferences.is_dirty
    preferences.filepaths.file_preview_type = "NONE"
    try:
        yield
    finally:
        preferences.filepaths.file_preview_type = kept
        preferences.is_dirty = was_dirty
