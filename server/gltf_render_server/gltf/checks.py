"""Checks of indices and geometry: each index refers to an existing item, and each position is finite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import SceneError
from ..limits import ask_time
from . import schema
from .drawn import Drawn
from .graph import FARTHEST_M
from .resources import Data, read_accessor
from .skins import MOST_SETS, set_count

__all__ = ["check_geometry", "check_indices", "check_types"]

_FLOAT = 5126
_UNSIGNED = {5121, 5123, 5125}
_QUANTIZED = {5120, 5121, 5122, 5123}

_ATTRIBUTE_TYPES = {
    "POSITION": ("VEC3",),
    "NORMAL": ("VEC3",),
    "TANGENT": ("VEC3", "VEC4"),
    "TEXCOORD": ("VEC2",),
    "COLOR": ("VEC3", "VEC4"),
}

Reference = tuple[int | None, int, str, str]
"""An index, the number of items, the kind of item, and the location of the index in the document."""


def check_indices(document: schema.Document) -> None:
    """Check that every index refers to an existing item.

    Raises
    ------
    SceneError
        An index is out of range.
    """
    if document.scene is not None and document.scene >= len(document.scenes):
        raise SceneError(f"there is no scene {document.scene}", "$.scene")
    for index, count, what, where in _references(document):
        if index is not None and index >= count:
            raise SceneError(f"there is no {what} {index}", where)


def check_geometry(document: schema.Document, buffers: Sequence[Data], drawn: Drawn) -> None:
    """Check the positions and vertex indices of what is drawn, after `resources.check_views` has passed.

    A primitive whose positions are all equal is left out, because none of its triangles can be seen.
    Primitives with more sets of joints than are read cause a warning.

    Raises
    ------
    SceneError
        A position is not finite or too far away, or an index refers to a missing vertex.
    """
    flat: dict[int, bool] = {}  # whether all positions of an accessor are equal
    largest: dict[int, int] = {}
    for number, place, primitive in drawn.primitives(document):
        ask_time()
        where = f"$.meshes[{number}].primitives[{place}]"
        position = primitive.attributes["POSITION"]
        for accessor in (position, *_morphed_positions(primitive)):
            if accessor not in flat:
                ask_time()
                flat[accessor], drawn.reach[accessor] = _check_positions(document, buffers, accessor, where)
        if primitive.indices is not None:
            vertices = document.accessors[position].count
            _check_vertex_indices(document, buffers, primitive.indices, vertices, largest, where)
        if (sets := set_count(primitive)) > MOST_SETS:
            what = f"{sets} sets of joints; only the first {MOST_SETS} can move it"
            drawn.warnings.append(f"meshes[{number}].primitives[{place}]: has {what}")
        if flat[position] and not primitive.targets:
            drawn.leave_out(number, place, "all its positions are equal")


def _references(document: schema.Document) -> Iterator[Reference]:
    yield from _node_references(document)
    yield from _mesh_references(document)
    yield from _data_references(document)
    yield from _picture_references(document)


def _node_references(document: schema.Document) -> Iterator[Reference]:
    nodes, meshes = len(document.nodes), len(document.meshes)
    for number, scene in enumerate(document.scenes):
        for place, node in enumerate(scene.nodes or ()):
            yield node, nodes, "node", f"$.scenes[{number}].nodes[{place}]"
    for number, item in enumerate(document.nodes):
        yield item.mesh, meshes, "mesh", f"$.nodes[{number}].mesh"
        yield item.camera, len(document.cameras), "camera", f"$.nodes[{number}].camera"
        yield item.skin, len(document.skins), "skin", f"$.nodes[{number}].skin"
        for child in item.children or ():
            yield child, nodes, "node", f"$.nodes[{number}].children"


def _mesh_references(document: schema.Document) -> Iterator[Reference]:
    accessors, materials = len(document.accessors), len(document.materials)
    for number, mesh in enumerate(document.meshes):
        for place, primitive in enumerate(mesh.primitives):
            where = f"$.meshes[{number}].primitives[{place}]"
            yield primitive.indices, accessors, "accessor", f"{where}.indices"
            yield primitive.material, materials, "material", f"{where}.material"
            for name, accessor in primitive.attributes.items():
                yield accessor, accessors, "accessor", f"{where}.attributes.{name[:40]}"
            for target in primitive.targets or ():
                for accessor in target.values():
                    yield accessor, accessors, "accessor", f"{where}.targets"


def _data_references(document: schema.Document) -> Iterator[Reference]:
    views, buffers = len(document.buffer_views), len(document.buffers)
    for number, accessor in enumerate(document.accessors):
        yield accessor.buffer_view, views, "buffer view", f"$.accessors[{number}].bufferView"
        if accessor.sparse is not None:
            where = f"$.accessors[{number}].sparse"
            yield accessor.sparse.indices.buffer_view, views, "buffer view", f"{where}.indices.bufferView"
            yield accessor.sparse.values.buffer_view, views, "buffer view", f"{where}.values.bufferView"
    for number, view in enumerate(document.buffer_views):
        yield view.buffer, buffers, "buffer", f"$.bufferViews[{number}].buffer"


def _picture_references(document: schema.Document) -> Iterator[Reference]:
    images, samplers, textures = len(document.images), len(document.samplers), len(document.textures)
    for number, image in enumerate(document.images):
        yield image.buffer_view, len(document.buffer_views), "buffer view", f"$.images[{number}].bufferView"
    for number, texture in enumerate(document.textures):
        yield texture.source, images, "image", f"$.textures[{number}].source"
        yield texture.sampler, samplers, "sampler", f"$.textures[{number}].sampler"
    for number, material in enumerate(document.materials):
        pbr = material.pbr_metallic_roughness
        for info in (
            material.normal_texture,
            material.occlusion_texture,
            material.emissive_texture,
            pbr and pbr.base_color_texture,
            pbr and pbr.metallic_roughness_texture,
        ):
            if info is not None:
                yield info.index, textures, "texture", f"$.materials[{number}]"


def check_types(document: schema.Document, primitive: schema.Primitive, where: str) -> None:
    """Check that the accessors of a primitive with positions have valid types for their use.

    Raises
    ------
    SceneError
        An accessor has an invalid type.
    """
    position = document.accessors[primitive.attributes["POSITION"]]
    if position.type != "VEC3" or position.component_type not in {_FLOAT, *_QUANTIZED}:
        raise SceneError("positions must be VEC3 of floats", f"{where}.attributes.POSITION")
    for name, index in primitive.attributes.items():
        accessor, types = document.accessors[index], _ATTRIBUTE_TYPES.get(name.partition("_")[0])
        _check_attribute(accessor, name, types, position.count, f"{where}.attributes.{name[:40]}")
    for number, target in enumerate(primitive.targets or ()):
        for name, index in target.items():
            types = _target_types(document, primitive, name)
            place = f"{where}.targets[{number}].{name[:40]}"
            _check_attribute(document.accessors[index], name, types, position.count, place)
    if primitive.indices is not None:
        indices = document.accessors[primitive.indices]
        if indices.type != "SCALAR" or indices.component_type not in _UNSIGNED:
            raise SceneError("indices must be unsigned scalars", f"{where}.indices")


def _morphed_positions(primitive: schema.Primitive) -> list[int]:
    return [target["POSITION"] for target in primitive.targets or () if "POSITION" in target]


def _target_types(
    document: schema.Document, primitive: schema.Primitive, name: str
) -> tuple[str, ...] | None:
    """Return the valid types of a morph target's attribute: those of the attribute that it changes."""
    types, base = _ATTRIBUTE_TYPES.get(name.partition("_")[0]), primitive.attributes.get(name)
    # a morph target's tangent has three components, the base's has four
    if types is None or base is None or name == "TANGENT":
        return types
    return (document.accessors[base].type,)


def _check_attribute(
    accessor: schema.Accessor, name: str, types: tuple[str, ...] | None, count: int, where: str
) -> None:
    if name.startswith("_"):
        return  # an application-specific attribute, which is never read
    if accessor.count != count:
        raise SceneError(f"has {accessor.count} elements for {count} vertices", where)
    if types is not None and accessor.type not in types:
        raise SceneError(f"must be {' or '.join(types)}; it is {accessor.type}", where)


def _check_positions(
    document: schema.Document, buffers: Sequence[Data], position: int, where: str
) -> tuple[bool, float]:
    """Check positions; return whether all are equal, and the largest coordinate."""
    points = read_accessor(document, buffers, position)
    # min and max propagate NaN, and each reads the data only once
    low, high = points.min(initial=0), points.max(initial=0)
    if not (low > -FARTHEST_M and high < FARTHEST_M):
        raise SceneError(
            f"a position is not finite, or beyond {FARTHEST_M:g}", f"{where}.attributes.POSITION"
        )
    few = points[:: max(1, len(points) // 100)]
    is_flat = bool((few == points[0]).all()) and bool((points == points[0]).all())
    is_fraction = document.accessors[position].normalized and points.dtype != np.float32
    return is_flat, 1.0 if is_fraction else max(-float(low), float(high))


def _check_vertex_indices(
    document: schema.Document,
    buffers: Sequence[Data],
    indices: int,
    vertices: int,
    largest: dict[int, int],
    where: str,
) -> None:
    if indices not in largest:
        largest[indices] = int(np.max(read_accessor(document, buffers, indices)))
    if largest[indices] >= vertices:
        raise SceneError(f"names vertex {largest[indices]} of {vertices}", f"{where}.indices")
