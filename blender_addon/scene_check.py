"""Finds problems of a scene that affect serving it. ``checking`` has the buttons, ``mending`` the fixes.

The effects on colour, depth and labels were measured with Cycles in Blender 5.2. ``rendered`` finds what
takes part in renders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import rendered

__all__ = ["ABOUT_OBJECTS", "Trouble", "find_trouble", "objects_of"]

_DEFAULT_CUBE = {(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)}


@dataclass(frozen=True)
class Trouble:
    """A problem of a scene.

    Attributes
    ----------
    kind : str
        The kind of problem, which selects the fix.
    target : str
        The name of the affected object or datablock; empty = the scene.
    text : str
        What happens, and what to do, in plain words.
    """

    kind: str
    target: str
    text: str


def find_trouble(scene: bpy.types.Scene) -> list[Trouble]:
    """Return all known problems of a scene."""
    return [trouble for check in _CHECKS for trouble in check(scene)]


def objects_of(scene: bpy.types.Scene, kind: str, target: str) -> list[bpy.types.Object]:
    """Return the objects that a problem affects."""
    if kind == "texture":
        image = bpy.data.images.get(target)
        return [item for item in scene.objects if image in rendered.images_of(item)]
    item = scene.objects.get(target) if kind in ABOUT_OBJECTS else None
    return [item] if item is not None else []


def _engine(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if rendered.engine_of(scene) == "BLENDER_WORKBENCH":
        yield Trouble(
            "engine",
            "",
            "The engine is Workbench, which knows no lights and no materials: colour is a drawing",
        )


def _view_layers(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if not any(layer.use for layer in scene.view_layers):
        yield Trouble(
            "view_layer",
            "",
            "No view layer is used for rendering: colour is black",
        )


def _material_overrides(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for layer in rendered.used_layers(scene):
        if layer.material_override is not None:
            yield Trouble(
                "override",
                layer.name,
                f"The view layer {layer.name} overrides all materials by {layer.material_override.name}, the "
                "client's, too",
            )


def _sequencer(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if scene.render.use_sequencer and rendered.has_visible_strips(scene):
        yield Trouble(
            "sequencer",
            "",
            "The sequencer has strips: what they show is served in the place of the scene",
        )


def _stamp(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if scene.render.use_stamp:
        yield Trouble("stamp", "", "Burn Into Image writes text over every colour image that is served")


def _freestyle(scene: bpy.types.Scene) -> Iterator[Trouble]:
    layers = rendered.used_layers(scene)
    if scene.render.use_freestyle and any(layer.use_freestyle for layer in layers):
        yield Trouble("freestyle", "", "Freestyle draws lines over colour, and takes long with each request")


def _motion_blur(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if scene.render.use_motion_blur:
        yield Trouble(
            "motion_blur",
            "",
            "Motion blur smears what moves in colour, and not in depth and labels: they disagree",
        )


def _default_cube(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in rendered.objects(scene):
        if _is_default_cube(item):
            yield Trouble(
                "default_cube",
                item.name,
                f"{item.name} is the cube with which a new file begins, two metres around the origin: what "
                "clients put there is inside it",
            )


def _volumes(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in rendered.objects(scene):
        if item.type == "VOLUME" or any(map(rendered.has_volume, rendered.materials(item))):
            yield Trouble(
                "volume",
                item.name,
                f"{item.name} holds a volume: whether a pixel of depth and labels shows it or what is behind "
                "it is left to chance. Hide it from renders, or keep it out of the camera's way",
            )


def _grease_pencil(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in rendered.objects(scene):
        if item.type in {"GREASEPENCIL", "GPENCIL"}:
            yield Trouble(
                "grease_pencil",
                item.name,
                f"{item.name} is Grease Pencil, drawn over the picture: labels do not know it, and depth is "
                "off by centimetres there",
            )


def _holdouts(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in rendered.objects(scene):
        if rendered.is_held_out(scene, item):
            yield Trouble(
                "holdout",
                item.name,
                f"{item.name} is a holdout: it hides what is behind it, and labels are white there, but "
                "depth says that nothing is there",
            )


def _shadow_catchers(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in rendered.objects(scene):
        if item.is_shadow_catcher and item.type in rendered.SURFACES:
            yield Trouble(
                "shadow_catcher",
                item.name,
                f"{item.name} is a shadow catcher: colour shows what is behind it, depth and labels show it",
            )


def _missing_textures(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for image in rendered.images(scene):
        if files := rendered.missing_files(image):
            yield Trouble(
                "texture",
                image.name,
                f"The file of the image {image.name} is missing ({files[0]}): it renders pink",
            )


def _missing_libraries(_scene: bpy.types.Scene) -> Iterator[Trouble]:
    for library in bpy.data.libraries:
        if rendered.is_missing_library(library):
            yield Trouble(
                "library",
                library.name,
                f"The library {library.filepath} is missing: the background server renders without all that "
                "is linked from it",
            )


def _resolution(scene: bpy.types.Scene) -> Iterator[Trouble]:
    percentage = scene.render.resolution_percentage
    if percentage != 100:
        yield Trouble(
            "resolution",
            "",
            f"The resolution is at {percentage} %: the server ignores that, so your own renders differ",
        )


def _compositing(scene: bpy.types.Scene) -> Iterator[Trouble]:
    if scene.render.use_compositing and _compositor(scene) is not None:
        yield Trouble(
            "compositing",
            "",
            "Compositor nodes work on every colour image that is served; what writes files does so, too",
        )


def _frame_dependence(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in _driven(scene):
        if any(_depends_on_frame(curve.driver) for curve in rendered.drivers(item)):
            yield Trouble(
                "frame",
                item.name,
                f"{item.name} has a driver that depends on the frame: the server renders frame "
                f"{scene.frame_current} for every request",
            )


def _scripted_drivers(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in _driven(scene):
        if any(_is_script(curve.driver) for curve in rendered.drivers(item)):
            yield Trouble(
                "driver",
                item.name,
                f"{item.name} has a driver that is a Python script: the background server does not run "
                "scripts of .blend files, so it keeps its last value",
            )


def _scripts(_scene: bpy.types.Scene) -> Iterator[Trouble]:
    for text in bpy.data.texts:
        if text.use_module:
            yield Trouble(
                "script",
                text.name,
                f"The script {text.name} is registered to run when the file is opened: the background server "
                "does not run it",
            )


_CHECKS: tuple[Callable[[bpy.types.Scene], Iterable[Trouble]], ...] = (
    _engine,
    _view_layers,
    _material_overrides,
    _sequencer,
    _stamp,
    _freestyle,
    _motion_blur,
    _default_cube,
    _volumes,
    _grease_pencil,
    _holdouts,
    _shadow_catchers,
    _missing_textures,
    _missing_libraries,
    _resolution,
    _compositing,
    _frame_dependence,
    _scripted_drivers,
    _scripts,
)
ABOUT_OBJECTS = {
    "default_cube",
    "driver",
    "frame",
    "grease_pencil",
    "holdout",
    "shadow_catcher",
    "volume",
}
"""The kinds of problem whose target is an object."""


def _is_default_cube(item: bpy.types.Object) -> bool:
    """Return whether this is an unmodified cube of two metres at the origin."""
    if item.type != "MESH" or len(item.data.vertices) != 8 or item.modifiers:
        return False
    corners = {tuple(round(x, 4) for x in item.matrix_world @ vertex.co) for vertex in item.data.vertices}
    return corners == _DEFAULT_CUBE


def _compositor(scene: Any) -> Any:
    """Return the compositor's nodes if they are used. Since Blender 5.0, they are a separate node group."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _driven(scene: bpy.types.Scene) -> list[Any]:
    """Return the datablocks whose drivers matter: the objects, the world, and the scene itself."""
    return [*rendered.objects(scene), *filter(None, [scene.world]), scene]


def _depends_on_frame(driver: Any) -> bool:
    uses_frame = driver.type == "SCRIPTED" and re.search(r"\bframe\b", driver.expression)
    reads_frame = any(
        "frame_current" in target.data_path for variable in driver.variables for target in variable.targets
    )
    return bool(uses_frame) or reads_frame


def _is_script(driver: Any) -> bool:
    return driver.type == "SCRIPTED" and not driver.is_simple_expression
