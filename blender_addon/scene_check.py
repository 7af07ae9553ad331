"""What in a scene would disturb serving it, and how that is mended. No buttons here: see ``checking``.

What volumes and holdouts do to labels and depth was measured with Cycles in Blender 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

__all__ = ["Trouble", "can_mend", "find_trouble", "mend", "objects_of", "where_linked"]


@dataclass(frozen=True)
class Trouble:
    """Something that would disturb.

    Attributes
    ----------
    kind : str
        Names what mends it.
    target : str
        Name of the object or other datablock that it is about; empty = the scene.
    text : str
        What happens, and what to do, in plain words.
    """

    kind: str
    target: str
    text: str


def find_trouble(scene: bpy.types.Scene) -> list[Trouble]:
    """Look for all that is known to disturb."""
    return [trouble for check in _CHECKS for trouble in check(scene)]


def can_mend(kind: str) -> bool:
    """Whether `mend` knows what to do."""
    return kind in _MENDS


def mend(scene: bpy.types.Scene, kind: str, target: str) -> None:
    """Mend a trouble of this kind."""
    _MENDS[kind](scene, target)


def where_linked(scene: bpy.types.Scene, kind: str, target: str) -> str:
    """Return the file in which alone a trouble can be mended, as it is linked from there; else nothing.

    Raises
    ------
    KeyError
        What it is about is gone.
    """
    owners: list[Any] = [bpy.data.texts[target]] if kind == "script" else [scene]
    if target in scene.objects:
        item = scene.objects[target]
        shaders = [material for material in _materials(item) if _uses_node(material, "HOLDOUT")]
        owners = [item, *(shaders if kind == "holdout" else ())]
    libraries = [owner.library for owner in owners if owner.library is not None]
    return libraries[0].filepath if libraries else ""


def objects_of(scene: bpy.types.Scene, kind: str, target: str) -> list[bpy.types.Object]:
    """Return the objects that a trouble is about."""
    if kind == "texture":
        image = bpy.data.images.get(target)
        return [item for item in scene.objects if image in _images_of(item)]
    item = scene.objects.get(target)
    return [item] if item is not None else []


def _volumes(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in _rendered(scene):
        if item.type == "VOLUME" or any(_has_volume(material) for material in _materials(item)):
            yield Trouble(
                "volume",
                item.name,
                f"{item.name} holds a volume: whether a pixel of depth and labels shows it or what is behind "
                "it is left to chance. Hide it from renders, or keep it out of the camera's way",
            )


def _holdouts(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in _rendered(scene):
        if item.is_holdout or any(_uses_node(material, "HOLDOUT") for material in _materials(item)):
            yield Trouble(
                "holdout",
                item.name,
                f"{item.name} is a holdout: it hides what is behind it, and labels are white there, but "
                "depth says that nothing is there",
            )


def _missing_textures(scene: bpy.types.Scene) -> Iterator[Trouble]:
    used = {image for item in _rendered(scene) for image in _images_of(item)}
    used |= set(_node_images(scene.world.node_tree)) if scene.world else set()
    for image in sorted(used, key=lambda image: image.name):
        if _is_missing(image):
            yield Trouble(
                "texture",
                image.name,
                f"The file of the image {image.name} is missing ({image.filepath}): it renders pink",
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
    for item in _rendered(scene):
        if any(_depends_on_frame(curve.driver) for curve in _drivers(item)):
            yield Trouble(
                "frame",
                item.name,
                f"{item.name} has a driver that depends on the frame: the server renders frame "
                f"{scene.frame_current} for every request",
            )


def _scripted_drivers(scene: bpy.types.Scene) -> Iterator[Trouble]:
    for item in _rendered(scene):
        if any(_is_script(curve.driver) for curve in _drivers(item)):
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
    _volumes,
    _holdouts,
    _missing_textures,
    _resolution,
    _compositing,
    _frame_dependence,
    _scripted_drivers,
    _scripts,
)


def _end_holdout(scene: bpy.types.Scene, target: str) -> None:
    item = scene.objects[target]
    item.is_holdout = False
    for material in _materials(item):
        for node in [node for node in _nodes(material) if node.type == "HOLDOUT"]:
            material.node_tree.nodes.remove(node)


def _hide(scene: bpy.types.Scene, target: str) -> None:
    scene.objects[target].hide_render = True


def _full_resolution(scene: bpy.types.Scene, _target: str) -> None:
    scene.render.resolution_percentage = 100


def _no_compositing(scene: bpy.types.Scene, _target: str) -> None:
    scene.render.use_compositing = False


def _do_not_register(_scene: bpy.types.Scene, target: str) -> None:
    bpy.data.texts[target].use_module = False


_MENDS: dict[str, Callable[[bpy.types.Scene, str], None]] = {
    "volume": _hide,
    "holdout": _end_holdout,
    "resolution": _full_resolution,
    "compositing": _no_compositing,
    "script": _do_not_register,
}


def _rendered(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    return [item for item in scene.objects if not item.hide_render]


def _materials(item: bpy.types.Object) -> list[Any]:
    return [slot.material for slot in item.material_slots if slot.material is not None]


def _has_volume(material: Any) -> bool:
    outputs = (node for node in _nodes(material) if node.type == "OUTPUT_MATERIAL" and node.is_active_output)
    return any(node.inputs["Volume"].is_linked for node in outputs)


def _uses_node(material: Any, kind: str) -> bool:
    return any(node.type == kind for node in _nodes(material))


def _nodes(material: Any) -> list[Any]:
    return list(material.node_tree.nodes) if material.node_tree else []


def _images_of(item: bpy.types.Object) -> list[bpy.types.Image]:
    return [image for material in _materials(item) for image in _node_images(material.node_tree)]


def _node_images(tree: Any) -> list[bpy.types.Image]:
    nodes = tree.nodes if tree else ()
    return [node.image for node in nodes if getattr(node, "image", None) is not None]


def _is_missing(image: Any) -> bool:
    if image.source not in {"FILE", "SEQUENCE", "MOVIE"} or image.packed_file is not None:
        return False
    return not Path(bpy.path.abspath(image.filepath, library=image.library)).exists()


def _compositor(scene: Any) -> Any:
    """Return the compositor's nodes, if they are used; since 5.0 they are a group of their own."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _drivers(item: bpy.types.Object) -> Iterator[Any]:
    """Yield the drivers of an object, its data and its materials."""
    owners = [item, item.data, getattr(item.data, "shape_keys", None), *_materials(item)]
    owners += [material.node_tree for material in _materials(item)]
    for owner in owners:
        animation = getattr(owner, "animation_data", None)
        yield from animation.drivers if animation else ()


def _depends_on_frame(driver: Any) -> bool:
    uses_frame = driver.type == "SCRIPTED" and re.search(r"\bframe\b", driver.expression)
    reads_frame = any(
        "frame_current" in target.data_path for variable in driver.variables for target in variable.targets
    )
    return bool(uses_frame) or reads_frame


def _is_script(driver: Any) -> bool:
    return driver.type == "SCRIPTED" and not driver.is_simple_expression
