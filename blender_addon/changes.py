"""Detects whether the scene has changed since it was handed over to the server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy
from bpy.app.handlers import persistent

from .session import main_window

__all__ = ["handed_over", "switch"]

_SETTINGS = ("render", "cycles", "eevee", "view_settings", "display_settings")
"""The parts of a scene for whose changes Blender sends no notification."""
_LEFT_OUT = {"denoiser", "preview_denoiser"}
"""Without a denoiser, Blender prints a warning whenever these are read."""


class _HandOver:
    """The state of the last hand-over.

    Attributes
    ----------
    is_outdated : bool
    """

    def __init__(self) -> None:
        self._has_changed = False
        self._settings = b""

    @property
    def is_outdated(self) -> bool:
        """Whether anything has changed since the hand-over."""
        return self._has_changed or _digest(main_window().scene) != self._settings

    def note(self) -> None:
        """Record that the scene has been handed over in its current state."""
        bpy.context.view_layer.update()  # sends pending notifications now, before the state is recorded
        self._has_changed = False
        self._settings = _digest(main_window().scene)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Ignore changes that are undone within a ``with`` block."""
        had_changed = self._has_changed
        try:
            yield
        finally:
            bpy.context.view_layer.update()  # otherwise the notifications would arrive later
            self._has_changed = had_changed

    def outdate(self) -> None:
        """Record a change."""
        self._has_changed = True


handed_over = _HandOver()


def switch(*, on: bool) -> None:
    """Start or stop listening for changes."""
    handlers = bpy.app.handlers
    for function, places in (
        (_after_update, (handlers.depsgraph_update_post, handlers.frame_change_post)),
        (_after_change, (handlers.load_post, handlers.undo_post, handlers.redo_post)),
    ):
        for place in places:
            if on:
                place.append(function)
            elif function in place:
                place.remove(function)


@persistent
def _after_update(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Record a change. Selecting an object also causes an update, but changes nothing that is rendered."""
    if depsgraph.mode != "VIEWPORT" or scene != main_window().scene:
        return
    if any(
        update.is_updated_geometry or update.is_updated_transform or update.is_updated_shading
        for update in depsgraph.updates
    ):
        handed_over.outdate()


@persistent
def _after_change(*_: Any) -> None:
    handed_over.outdate()


def _digest(scene: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name in _SETTINGS:
        for value in _values(getattr(scene, name, None)):
            digest.update(value.encode())
    digest.update(repr((scene.name, scene.camera, scene.world, scene.frame_current)).encode())
    return digest.digest()


def _values(settings: Any) -> Iterator[str]:
    for item in settings.bl_rna.properties if settings is not None else ():
        if item.type not in {"POINTER", "COLLECTION"} and item.identifier not in _LEFT_OUT:
            value = getattr(settings, item.identifier)
            yield f"{item.identifier}={value[:] if getattr(item, 'is_array', False) else value}\n"
