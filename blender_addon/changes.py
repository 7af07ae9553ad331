"""Whether the scene has changed since it was handed over to the server."""

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
"""Parts of a scene whose changes Blender tells nobody."""
_LEFT_OUT = {"denoiser", "preview_denoiser"}
"""A Blender without a denoiser warns whenever these are read."""


class _HandOver:
    """What was handed over, as far as it takes to tell that it is not up to date.

    Attributes
    ----------
    is_outdated : bool
    """

    def __init__(self) -> None:
        self._has_changed = False
        self._settings = b""

    @property
    def is_outdated(self) -> bool:
        """Whether anything has changed since."""
        return self._has_changed or _digest(main_window().scene) != self._settings

    def note(self) -> None:
        """Note that the scene has been handed over as it is now."""
        bpy.context.view_layer.update()  # what is changed already is told now, and not later
        self._has_changed = False
        self._settings = _digest(main_window().scene)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Pass over changes that are taken back."""
        had_changed = self._has_changed
        try:
            yield
        finally:
            bpy.context.view_layer.update()  # or they would be told later
            self._has_changed = had_changed

    def outdate(self) -> None:
        """Note a change."""
        self._has_changed = True


handed_over = _HandOver()


def switch(*, on: bool) -> None:
    """Begin, or cease, to listen for changes."""
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
    """Note a change; selecting something is an update, too, but of nothing that is rendered."""
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
