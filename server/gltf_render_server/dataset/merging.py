"""Merges glTF documents: appends their arrays to those of one document, and renumbers all references.

A document's arrays are appended whole, so each index grows by the length that the array had before. Meshes,
materials, images and data, which nodes share, are appended once, however often the document is added. Nodes,
skins and animations are appended each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ..gltf.checks import check_indices
from ..gltf.container import open_container
from ..gltf.decoding import convert, decode, decode_whole
from ..gltf.extensions import DRACO, INSTANCING, LIGHTS, POINTER, VARIANTS, VISIBILITY
from ..gltf.graph import scene_roots
from ..gltf.materials import is_of_drake, texture_references
from ..gltf.repair import repair_json
from ..gltf.resources import decode_uri
from .binary import Binary, move_views
from .shot import Document

__all__ = ["Arrays", "Merged", "animation_pointer", "animation_targets", "merge"]

_SHARED = (
    "accessors",
    "bufferViews",
    "images",
    "samplers",
    "textures",
    "materials",
    "meshes",
    "cameras",
    "lights",
    "variants",
)
_OF_EACH = ("skins", "nodes")
_POINTER = re.compile(rf"(/(?:extensions/{LIGHTS}/)?([a-zA-Z]+)/)(\d{{1,9}})(/.*)?", re.DOTALL)

Json = dict[str, Any]


class Arrays(dict[str, list[Any]]):
    """The arrays of the merged document, by glTF's names; they include lights and variants."""

    def __init__(self) -> None:
        super().__init__({name: [] for name in (*_SHARED, *_OF_EACH)})

    def append(self, name: str, item: Any) -> int:
        """Append an item to an array, and return its index."""
        self[name].append(item)
        return len(self[name]) - 1


@dataclass(frozen=True)
class _Numbers:
    """Translates indices of a document to indices of the merged arrays.

    counts, starts : dict of str to int
        The length of each array of the document, and the merged index of its first item.
    """

    counts: dict[str, int]
    starts: dict[str, int]

    def knows(self, kind: str, value: object) -> bool:
        """Whether a value is an index of the document's array."""
        return type(value) is int and 0 <= value < self.counts.get(kind, 0)

    def move(self, kind: str, holder: Any, *keys: str) -> None:
        """Renumber members of an object, which have been checked; absent members are skipped."""
        for key in keys:
            if holder.get(key) is not None:
                holder[key] = self.starts[kind] + int(holder[key])

    def move_list(self, kind: str, holder: Any, key: str) -> None:
        """Renumber a list of indices, if the object has it."""
        if holder.get(key):
            holder[key] = [self.starts[kind] + int(number) for number in holder[key]]

    def move_or_drop(self, kind: str, holder: Json, key: str) -> bool:
        """Renumber a member if it is a valid index, and remove it otherwise; return whether it is kept."""
        if not self.knows(kind, holder.get(key)):
            holder.pop(key, None)
            return False
        self.move(kind, holder, key)
        return True


@dataclass(frozen=True)
class Merged:
    """A document whose shared parts have been appended to the merged arrays.

    Attributes
    ----------
    generator : str or None
        The program that wrote the document.
    used, required : tuple of str
        The extensions that the document uses and requires.
    """

    generator: str | None
    used: tuple[str, ...]
    required: tuple[str, ...]
    _numbers: _Numbers
    _roots: tuple[int, ...]
    _own: bytes

    def add_nodes(self, arrays: Arrays) -> tuple[list[Json], list[int], list[Json]]:
        """Append the document's nodes and skins.

        Returns
        -------
        nodes : list of dict
            The appended nodes.
        roots : list of int
            The merged indices of the root nodes of the default scene.
        animations : list of dict
            The document's animations, which refer to the appended nodes.
        """
        own = msgspec.json.decode(self._own)
        starts = {name: len(arrays[name]) for name in _OF_EACH}
        numbers = _Numbers(self._numbers.counts, {**self._numbers.starts, **starts})
        for node in own["nodes"]:
            _move_node(node, numbers)
        for skin in own["skins"]:
            _move_skin(skin, numbers)
        animations = [item for item in own["animations"] if isinstance(item, dict)]
        for animation in animations:
            _move_animation(animation, numbers)
        for name in _OF_EACH:
            arrays[name] += own[name]
        return own["nodes"], [starts["nodes"] + root for root in self._roots], animations


def merge(document: Document, arrays: Arrays, binary: Binary) -> Merged:
    """Append what a document's nodes share.

    Raises
    ------
    SceneError
        The document is not as the schema says, or refers to what is not there.
    """
    container = open_container(document.data)
    checked = decode(container.json)
    repair_json(checked)
    source = convert(checked)
    check_indices(source)
    json = decode_whole(container.json)
    lists = _lists(json)
    starts = {name: len(arrays[name]) for name in lists}
    numbers = _Numbers({name: len(items) for name, items in lists.items()}, starts)
    places = binary.add_buffers(json, container.binary, _decode_buffer, keep_broken=True)
    move_views(lists["bufferViews"], places)
    _move_shared(lists, numbers)
    if not is_of_drake(source.asset.generator):
        for material in lists["materials"]:  # so that none looks as if Drake had written it
            if material.get("alphaMode") is None:
                material["alphaMode"] = "OPAQUE"
    for name in _SHARED:
        arrays[name] += lists[name]
    own = {name: json.get(name) or [] for name in ("nodes", "skins", "animations")}
    return Merged(
        source.asset.generator,
        _strings(json.get("extensionsUsed")),
        _strings(json.get("extensionsRequired")),
        numbers,
        tuple(scene_roots(source)),
        msgspec.json.encode(own),
    )


def _decode_buffer(uri: str, where: str) -> bytes:
    return decode_uri(uri, where, may_be_text=True)


def _lists(json: Json) -> dict[str, list[Any]]:
    """Return the arrays of a document by glTF's names; an absent array is empty."""
    lists = {name: json.get(name) or [] for name in (*_SHARED, *_OF_EACH)}
    lists["lights"] = _of_extension(json, LIGHTS, "lights")
    lists["variants"] = _of_extension(json, VARIANTS, "variants")
    return lists


def _of_extension(json: Json, extension: str, name: str) -> list[Any]:
    items = _member(_member(json.get("extensions"), extension), name)
    return items if isinstance(items, list) else []


def _move_shared(lists: dict[str, list[Any]], numbers: _Numbers) -> None:
    """Renumber the references in the shared parts; `merge` has moved the buffer views already."""
    for accessor in lists["accessors"]:
        sparse = accessor.get("sparse") or {}
        for part in (accessor, sparse.get("indices") or {}, sparse.get("values") or {}):
            numbers.move("bufferViews", part, "bufferView")
    for image in lists["images"]:
        numbers.move("bufferViews", image, "bufferView")
    for texture in lists["textures"]:
        numbers.move("samplers", texture, "sampler")
        for holder in (texture, *_objects(texture.get("extensions"))):
            numbers.move_or_drop("images", holder, "source")
    for material in lists["materials"]:
        for holder, key in texture_references(material):
            if not numbers.move_or_drop("textures", holder[key], "index"):
                del holder[key]
    for mesh in lists["meshes"]:
        mesh.pop("extensions", None)
        for primitive in mesh["primitives"]:
            _move_primitive(primitive, numbers)


def _move_primitive(primitive: Json, numbers: _Numbers) -> None:
    numbers.move("accessors", primitive, "indices")
    numbers.move("materials", primitive, "material")
    for attributes in (primitive["attributes"], *(primitive.get("targets") or ())):
        numbers.move("accessors", attributes, *attributes)
    given = primitive.pop("extensions", None) or {}
    kept = {}
    draco, variants = given.get(DRACO), given.get(VARIANTS)
    if isinstance(draco, dict):
        numbers.move_or_drop("bufferViews", draco, "bufferView")
        kept[DRACO] = draco
    if isinstance(variants, dict) and isinstance(variants.get("mappings"), list):
        mappings = [item for item in variants["mappings"] if _moved_mapping(item, numbers)]
        kept[VARIANTS] = {"mappings": mappings}
    if kept:
        primitive["extensions"] = kept


def _moved_mapping(mapping: Any, numbers: _Numbers) -> bool:
    """Renumber the material of a primitive in some variants; return whether the mapping is valid."""
    names = _member(mapping, "variants")
    is_whole = isinstance(names, list) and all(numbers.knows("variants", name) for name in names)
    if not is_whole or not numbers.move_or_drop("materials", mapping, "material"):
        return False
    numbers.move_list("variants", mapping, "variants")
    return True


def _move_node(node: Json, numbers: _Numbers) -> None:
    """Renumber a node; unknown extensions are removed, because they may contain references."""
    numbers.move_list("nodes", node, "children")
    for kind in ("mesh", "camera", "skin"):
        numbers.move({"mesh": "meshes"}.get(kind, f"{kind}s"), node, kind)
    given = node.pop("extensions", None) or {}
    kept = {name: given[name] for name in (VISIBILITY,) if name in given}
    light, copies = given.get(LIGHTS), given.get(INSTANCING)
    if isinstance(light, dict) and numbers.move_or_drop("lights", light, "light"):
        kept[LIGHTS] = light
    if copies is not None:
        attributes = _member(copies, "attributes")
        for name in list(attributes) if isinstance(attributes, dict) else ():
            numbers.move_or_drop("accessors", attributes, name)
        kept[INSTANCING] = copies
    if kept:
        node["extensions"] = kept


def _move_skin(skin: Any, numbers: _Numbers) -> None:
    if not isinstance(skin, dict):
        return
    joints = skin.get("joints")
    is_whole = isinstance(joints, list) and all(numbers.knows("nodes", joint) for joint in joints)
    if is_whole:
        numbers.move_list("nodes", skin, "joints")
    else:
        skin.pop("joints", None)
    numbers.move_or_drop("nodes", skin, "skeleton")
    numbers.move_or_drop("accessors", skin, "inverseBindMatrices")


def _move_animation(animation: Json, numbers: _Numbers) -> None:
    """Renumber an animation; broken parts are kept, so that reading the document reports them."""
    for sampler in _objects(animation.get("samplers")):
        for key in ("input", "output"):
            numbers.move_or_drop("accessors", sampler, key)
    for target in animation_targets(animation):
        numbers.move_or_drop("nodes", target, "node")
        found = _POINTER.fullmatch(animation_pointer(target))
        if found is not None and numbers.knows(found[2], int(found[3])):
            moved = f"{found[1]}{int(found[3]) + numbers.starts[found[2]]}{found[4] or ''}"
            target["extensions"][POINTER]["pointer"] = moved


def animation_targets(animation: Json) -> Iterator[Json]:
    """Yield the targets of an animation's channels, without broken ones."""
    for channel in _objects(animation.get("channels")):
        target = channel.get("target")
        if isinstance(target, dict):
            yield target


def animation_pointer(target: Json) -> str:
    """Return the pointer by which KHR_animation_pointer names what a channel changes, or ""."""
    pointer = _member(_member(target.get("extensions"), POINTER), "pointer")
    return pointer if isinstance(pointer, str) else ""


def _member(value: object, name: str) -> Any:
    """Return a member of a value that may not be an object."""
    return value.get(name) if isinstance(value, dict) else None


def _objects(value: object) -> list[Json]:
    """Return the objects in an array or an object; empty for any other value."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict)]


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
