"""Finds what takes part in a scene's renders: objects, materials, nodes, images. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bpy

__all__ = [
    "SURFACES",
    "drivers",
    "engine_of",
    "gltf_knows_light",
    "has_visible_strips",
    "has_volume",
    "holds_out",
    "images",
    "images_of",
    "is_held_out",
    "is_missing_library",
    "layer_collections",
    "materials",
    "missing_files",
    "objects",
    "trees_of",
    "used_layers",
]

SURFACES = {"MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME"}
"""The object types that can be holdouts or shadow catchers. Other types have these flags without effect."""

_UDIM, _UVTILE = "<UDIM>", "<UVTILE>"


def engine_of(scene: Any) -> str:
    """Return the engine that renders colour: the one chosen in the panel, or else the scene's."""
    chosen = getattr(getattr(scene, "gltf_render_server", None), "engine", "SCENE")
    return scene.render.engine if chosen == "SCENE" else chosen


def used_layers(scene: bpy.types.Scene) -> list[bpy.types.ViewLayer]:
    """Return the enabled view layers. If there are none, return the first, which depth and labels use."""
    return [layer for layer in scene.view_layers if layer.use] or [scene.view_layers[0]]


def layer_collections(layer: bpy.types.ViewLayer) -> Iterator[bpy.types.LayerCollection]:
    """Yield the collections that a view layer renders, beginning with the scene's own."""
    yield from _shown([layer.layer_collection])


def objects(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the rendered objects, including those of instanced collections, each once."""
    shown = (collection for layer in used_layers(scene) for collection in layer_collections(layer))
    placed = [item for collection in shown for item in collection.collection.objects]
    found: dict[bpy.types.Object, None] = {}
    _add(placed, found)
    order = {item: number for number, item in enumerate(scene.objects)}
    return sorted(found, key=lambda item: order.get(item, len(order)))


def materials(item: bpy.types.Object) -> list[Any]:
    """Return the materials of an object."""
    return [slot.material for slot in item.material_slots if slot.material is not None]


def has_volume(material: Any) -> bool:
    """Return whether a material has a volume shader."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    outputs = (node for node in nodes if node.type == "OUTPUT_MATERIAL" and node.is_active_output)
    return any(node.inputs["Volume"].is_linked for node in outputs)


def is_held_out(scene: bpy.types.Scene, item: bpy.types.Object) -> bool:
    """Return whether an object is a holdout, by its own setting, its collection's, or its material."""
    if item.type not in SURFACES:
        return False
    return (
        item.is_holdout
        or any(
            collection.holdout and item.name in collection.collection.objects
            for layer in used_layers(scene)
            for collection in layer_collections(layer)
        )
        or any(map(holds_out, trees_of(item)))
    )


def holds_out(tree: Any) -> bool:
    """Return whether a node tree contains a holdout shader."""
    return any(node.type == "HOLDOUT" for node in tree.nodes)


def trees_of(item: bpy.types.Object) -> list[Any]:
    """Return the node trees of an object's materials and light, with all nested groups."""
    owners = [*materials(item), *([item.data] if item.type == "LIGHT" else [])]
    return _with_groups(owner.node_tree for owner in owners)


def images_of(item: bpy.types.Object) -> list[bpy.types.Image]:
    """Return the images that an object uses."""
    return _images(trees_of(item))


def images(scene: bpy.types.Scene) -> list[bpy.types.Image]:
    """Return the images that a scene uses, by name."""
    used = {image for item in objects(scene) for image in images_of(item)}
    used |= set(_images(_with_groups([scene.world.node_tree if scene.world else None])))
    return sorted(used, key=lambda image: image.name)


def missing_files(image: Any) -> list[str]:
    """Return the missing files of an image, one for each tile."""
    if image.source not in {"FILE", "SEQUENCE", "MOVIE", "TILED"} or image.packed_files:
        return []
    return [
        path for path in _paths(image) if not Path(bpy.path.abspath(path, library=image.library)).exists()
    ]


def gltf_knows_light(item: Any) -> bool:
    """Return whether glTF supports this type of light."""
    return item.data.type != "AREA"


def is_missing_library(library: Any) -> bool:
    """Return whether a used datablock is linked from a missing file."""
    is_inside = library.packed_file is not None or getattr(library, "is_archive", False)
    if is_inside or not any(item.users for item in library.users_id):
        return False
    return not Path(bpy.path.abspath(library.filepath, library=library.parent)).exists()


def has_visible_strips(scene: Any) -> bool:
    """Return whether the sequencer would be rendered. Sound strips do not count."""
    editor = scene.sequence_editor
    strips = getattr(editor, "strips", None) or getattr(editor, "sequences", ())
    return any(strip.type != "SOUND" and not strip.mute for strip in strips)


def drivers(item: Any) -> Iterator[Any]:
    """Yield the drivers of an object, world or scene, its data, its materials and their node trees."""
    owners = [item, getattr(item, "data", None)]
    owners += [getattr(owner, "shape_keys", None) for owner in owners]
    if isinstance(item, bpy.types.Object):
        owners += [*materials(item), *trees_of(item)]
    elif isinstance(item, bpy.types.World):
        owners += _with_groups([item.node_tree])
    for owner in owners:
        animation = getattr(owner, "animation_data", None)
        yield from animation.drivers if animation else ()


def _shown(collections: Iterable[Any]) -> Iterator[Any]:
    for collection in collections:
        if not collection.exclude and not collection.collection.hide_render:
            yield collection
            yield from _shown(collection.children)


def _add(placed: Iterable[Any], found: dict[bpy.types.Object, None]) -> None:
    """Add rendered objects, and the objects that they instance."""
    for item in placed:
        if item.hide_render or item in found:
            continue
        found[item] = None
        if item.instance_type == "COLLECTION" and item.instance_collection is not None:
            _add(_inside(item.instance_collection), found)


def _inside(collection: Any) -> Iterator[Any]:
    if not collection.hide_render:
        yield from collection.objects
        for child in collection.children:
            yield from _inside(child)


def _with_groups(trees: Iterable[Any]) -> list[Any]:
    """Return node trees and all nested groups, each once."""
    found: list[Any] = []
    waiting = [tree for tree in trees if tree is not None]
    while waiting:
        tree = waiting.pop()
        if tree not in found:
            found.append(tree)
            waiting += [node.node_tree for node in tree.nodes if getattr(node, "node_tree", None)]
    return found


def _images(trees: Iterable[Any]) -> list[bpy.types.Image]:
    nodes = (node for tree in trees for node in tree.nodes)
    return [node.image for node in nodes if getattr(node, "image", None) is not None]


def _paths(image: Any) -> list[str]:
    """Return the paths of an image. For tiles, the placeholder is replaced with their numbers."""
    path = image.filepath
    if image.source != "TILED":
        return [path]
    return [_tile_path(path, tile.number) for tile in image.tiles]


def _tile_path(path: str, number: int) -> str:
    column, row = (number - 1001) % 10, (number - 1001) // 10
    return path.replace(_UDIM, str(number)).replace(_UVTILE, f"u{column + 1}_v{row + 1}")
