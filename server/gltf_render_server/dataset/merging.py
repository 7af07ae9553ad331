"""The parts of glTF documents, put into the arrays of one: what refers to anything is renumbered.

A document's arrays are appended whole, so that each of its numbers grows by what was there before. What its
nodes share (meshes, materials, images, data) is appended once, however often the document is added; its
nodes, skins and animations each time.
"""

from __future__ import annotations

import re
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

__all__ = ["Arrays", "Merged", "merge"]

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
    """The arrays of a document that is put together, by glTF's names; lights and variants are two of them."""

    def __init__(self) -> None:
        super().__init__({name: [] for name in (*_SHARED, *_OF_EACH)})

    def append(self, name: str, item: Any) -> int:
        """Append to an array, and return the new item's number."""
        self[name].append(item)
        return len(self[name]) - 1


@dataclass(frozen=True)
class _Numbers:
    """What the numbers of a document are in the arrays.

    counts, starts : dict of str to int
        How many items its arrays have, and where the first of each is now.
    """

    counts: dict[str, int]
    starts: dict[str, int]

    def knows(self, kind: str, value: object) -> bool:
        """Whether a number is one of the document's."""
        return type(value) is int and 0 <= value < self.counts.get(kind, 0)

    def move(self, kind: str, holder: Any, *keys: str) -> None:
        """Renumber members of an object, whose numbers have been checked; those that are absent stay so."""
        for key in keys:
            if holder.get(key) is not None:
                holder[key] = self.starts[kind] + int(holder[key])

    def move_list(self, kind: str, holder: Any, key: str) -> None:
        """Renumber a list that an object has, or has not."""
        if holder.get(key):
            holder[key] = [self.starts[kind] + int(number) for number in holder[key]]

    def move_or_drop(self, kind: str, holder: Json, key: str) -> bool:
        """Renumber a member that may be anything, and drop what is none; return whether it is there."""
        if not self.knows(kind, holder.get(key)):
            holder.pop(key, None)
            return False
        self.move(kind, holder, key)
        return True


@dataclass(frozen=True)
class Merged:
    """A document whose shared parts are in the arrays.

    Attributes
    ----------
    generator : str or None
        Who wrote it.
    used, required : tuple of str
        The extensions that it names.
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
            As they are in the arrays now.
        roots : list of int
            The numbers of those that its default scene holds.
        animations : list of dict
            Its animations, of the nodes in the arrays.
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
    """Return the arrays of a document by glTF's names, empty where there are none."""
    lists = {name: json.get(name) or [] for name in (*_SHARED, *_OF_EACH)}
    lists["lights"] = _of_extension(json, LIGHTS, "lights")
    lists["variants"] = _of_extension(json, VARIANTS, "variants")
    return lists


def _of_extension(json: Json, extension: str, name: str) -> list[Any]:
    items = _member(_member(json.get("extensions"), extension), name)
    return items if isinstance(items, list) else []


def _move_shared(lists: dict[str, list[Any]], numbers: _Numbers) -> None:
    """Renumber what the shared parts refer to; `merging.merge` has moved the buffer views."""
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
    """Renumber which material a primitive has in which variants; return whether that is any."""
    names = _member(mapping, "variants")
    is_whole = isinstance(names, list) and all(numbers.knows("variants", name) for name in names)
    if not is_whole or not numbers.move_or_drop("materials", mapping, "material"):
        return False
    numbers.move_list("variants", mapping, "variants")
    return True


def _move_node(node: Json, numbers: _Numbers) -> None:
    """Renumber a node; extensions that are not known may refer to anything, and are left out."""
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
    """Renumber an animation; of what is broken, it is left to tell."""
    for sampler in _objects(animation.get("samplers")):
        for key in ("input", "output"):
            numbers.move_or_drop("accessors", sampler, key)
    for channel in _objects(animation.get("channels")):
        target = channel.get("target")
        if isinstance(target, dict):
            numbers.move_or_drop("nodes", target, "node")
            _move_pointer(_member(target.get("extensions"), POINTER), numbers)


def _move_pointer(extension: Any, numbers: _Numbers) -> None:
    pointer = _member(extension, "pointer")
    found = _POINTER.fullmatch(pointer) if isinstance(pointer, str) else None
    if found is None or not numbers.knows(found[2], int(found[3])):
        return
    extension["pointer"] = f"{found[1]}{int(found[3]) + numbers.starts[found[2]]}{found[4] or ''}"


def _member(value: object, name: str) -> Any:
    """Return a member of what may be no object at all."""
    return value.get(name) if isinstance(value, dict) else None


def _objects(value: object) -> list[Json]:
    """Return the objects among the items of what may be no array or object at all."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict)]


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
