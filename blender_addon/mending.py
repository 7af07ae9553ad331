"""Fixes for the problems that ``scene_check`` finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from . import rendered
from .scene_check import ABOUT_OBJECTS

__all__ = ["mend", "mend_name", "where_linked"]


def mend_name(kind: str) -> str:
    """Describe in a word or two what `mend` does; empty if it cannot fix the problem."""
    return _MENDS[kind][0] if kind in _MENDS else ""


def mend(scene: bpy.types.Scene, kind: str, target: str) -> None:
    """Fix a problem of this kind."""
    _MENDS[kind][1](scene, target)


def where_linked(scene: bpy.types.Scene, kind: str, target: str) -> str:
    """Return the linked file in which alone a problem can be fixed; an empty text if it can be fixed here.

    Raises
    ------
    KeyError
        The object or setting does not exist any more.
    """
    libraries = [owner.library for owner in _owners(scene, kind, target) if owner.library is not None]
    return libraries[0].filepath if libraries else ""


def _owners(scene: bpy.types.Scene, kind: str, target: str) -> list[Any]:
    """Return what is changed to fix a problem."""
    if kind == "script":
        return [bpy.data.texts[target]]
    if kind not in ABOUT_OBJECTS:
        return [scene]
    item = bpy.data.objects[target]
    if kind != "holdout":
        return [item]
    return [item, *(tree for tree in rendered.trees_of(item) if rendered.holds_out(tree))]


def _end_holdout(scene: bpy.types.Scene, target: str) -> None:
    item = bpy.data.objects[target]
    item.is_holdout = False
    for layer in rendered.used_layers(scene):
        for collection in rendered.layer_collections(layer):
            if collection.holdout and item.name in collection.collection.objects:
                collection.holdout = False
    for tree in rendered.trees_of(item):
        for node in [node for node in tree.nodes if node.type == "HOLDOUT"]:
            tree.nodes.remove(node)


def _hide(_scene: bpy.types.Scene, target: str) -> None:
    bpy.data.objects[target].hide_render = True


def _end_shadow_catcher(_scene: bpy.types.Scene, target: str) -> None:
    bpy.data.objects[target].is_shadow_catcher = False


def _use_cycles(scene: bpy.types.Scene, _target: str) -> None:
    scene.render.engine = "CYCLES"


def _use_view_layer(scene: bpy.types.Scene, _target: str) -> None:
    scene.view_layers[0].use = True


def _end_override(scene: bpy.types.Scene, target: str) -> None:
    scene.view_layers[target].material_override = None


def _do_not_register(_scene: bpy.types.Scene, target: str) -> None:
    bpy.data.texts[target].use_module = False


def _setting(name: str, value: object) -> Callable[[bpy.types.Scene, str], None]:
    """Return a function that sets a render setting to this value."""
    return lambda scene, _target: setattr(scene.render, name, value)


_MENDS: dict[str, tuple[str, Callable[[bpy.types.Scene, str], None]]] = {
    "engine": ("Use Cycles", _use_cycles),
    "view_layer": ("Use for Rendering", _use_view_layer),
    "override": ("Clear Override", _end_override),
    "sequencer": ("Render without Sequencer", _setting("use_sequencer", value=False)),
    "stamp": ("Switch Off", _setting("use_stamp", value=False)),
    "freestyle": ("Switch Off", _setting("use_freestyle", value=False)),
    "motion_blur": ("Switch Off", _setting("use_motion_blur", value=False)),
    "default_cube": ("Hide", _hide),
    "volume": ("Hide", _hide),
    "grease_pencil": ("Hide", _hide),
    "holdout": ("End Holdout", _end_holdout),
    "shadow_catcher": ("End Shadow Catcher", _end_shadow_catcher),
    "resolution": ("Set to 100 %", _setting("resolution_percentage", value=100)),
    "compositing": ("Render without Compositor", _setting("use_compositing", value=False)),
    "script": ("Do Not Register", _do_not_register),
}
"""By the kind of problem: the button's text, and its action."""
