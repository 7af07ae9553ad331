"""Finds the primitives that the default scene draws, and their cost, without reading their data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from ..limits import Limits, ask_time
from . import schema
from .checks import check_types
from .draco import is_draco
from .drawn import Drawn
from .extensions import LIGHTS
from .graph import Graph
from .instancing import instance_count

__all__ = ["find_drawn"]

_FIRST_SURFACE_MODE, _TRIANGLES, _LAST_SURFACE_MODE = 4, 4, 6  # modes below 4 are points and lines
_MOST_SHARING = 20  # multiple of the vertex limit that is allowed where primitives share vertices


def find_drawn(document: schema.Document, graph: Graph, morphing: Collection[int], limits: Limits) -> Drawn:
    """Find what is drawn, and reject a scene that exceeds the limits.

    Parameters
    ----------
    document : Document
        The document, whose indices must have been checked.
    graph : Graph
    morphing : collection of int
        The nodes whose weights an animation changes.
    limits : Limits

    Raises
    ------
    SceneError
        A primitive is invalid.
    TooLargeError
        The scene exceeds a limit.
    """
    drawn = Drawn()
    for index in graph.order:
        mesh = document.nodes[index].mesh
        if mesh is None or index in graph.hidden:
            continue
        if mesh not in drawn.surfaces:
            _find_surfaces(document, mesh, drawn)
        if drawn.surfaces[mesh]:
            drawn.nodes.append(index)
    _check_meshes(document, drawn, morphing, limits)
    _check_placements(document, graph, drawn, limits)
    return drawn


def _find_surfaces(document: schema.Document, mesh: int, drawn: Drawn) -> None:
    numbers = drawn.surfaces[mesh] = []
    for number, primitive in enumerate(document.meshes[mesh].primitives):
        if "POSITION" not in primitive.attributes or 0 <= primitive.mode < _FIRST_SURFACE_MODE:
            continue
        ask_time()
        where = f"$.meshes[{mesh}].primitives[{number}]"
        if why := _why_nothing(document, primitive):
            drawn.leave_out(mesh, number, why)
            continue
        check_types(document, primitive, where)
        numbers.append(number)


def _why_nothing(document: schema.Document, primitive: schema.Primitive) -> str:
    """Return why a primitive draws nothing, judged by its description alone; empty if it draws something."""
    position = document.accessors[primitive.attributes["POSITION"]]
    corners = _corners(document, primitive)
    if not _FIRST_SURFACE_MODE <= primitive.mode <= _LAST_SURFACE_MODE:
        return f"there is no mode {primitive.mode}"
    if corners < 3:
        return f"{corners} corners make no triangle"
    if primitive.mode == _TRIANGLES and corners % 3:
        return f"{corners} corners are no whole number of triangles"
    has_data = position.buffer_view is not None or position.sparse is not None or primitive.targets
    if not has_data and not is_draco(document, primitive):
        return "the positions have no data"
    return ""


def _corners(document: schema.Document, primitive: schema.Primitive) -> int:
    index = primitive.attributes["POSITION"] if primitive.indices is None else primitive.indices
    return document.accessors[index].count


def _triangles(document: schema.Document, primitive: schema.Primitive) -> int:
    corners = _corners(document, primitive)
    return corners // 3 if primitive.mode == _TRIANGLES else corners - 2


def _check_meshes(document: schema.Document, drawn: Drawn, morphing: Collection[int], limits: Limits) -> None:
    """Check the vertices that must be kept in memory.

    Of shared vertices, a primitive counts those it uses.
    """
    vertices = read = 0
    shapes = _shapes(document, drawn, morphing)
    for mesh, _, primitive in drawn.primitives(document):
        given = document.accessors[primitive.attributes["POSITION"]].count
        copies = shapes[mesh] + len(primitive.targets or ())
        vertices += copies * min(given, _corners(document, primitive))
        # a few vertices may have many triangles, which take as much memory
        vertices += _triangles(document, primitive) // 2
        read += copies * given
    limits.check_vertices(max(vertices, read // _MOST_SHARING))


def _shapes(document: schema.Document, drawn: Drawn, morphing: Collection[int]) -> Counter[int]:
    """Count the shapes in which each mesh is drawn: each skin, and each node with weights, makes another."""
    nodes = [(document.nodes[index], index if index in morphing else None) for index in drawn.nodes]
    shapes = {(node.mesh or 0, node.skin, tuple(node.weights or ()), moved) for node, moved in nodes}
    return Counter(mesh for mesh, *_ in shapes)


def _check_placements(document: schema.Document, graph: Graph, drawn: Drawn, limits: Limits) -> None:
    """Check the counts of triangles and objects, where each mesh counts every time that it is drawn."""
    triangles_of = {
        mesh: sum(_triangles(document, document.meshes[mesh].primitives[number]) for number in numbers)
        for mesh, numbers in drawn.surfaces.items()
    }
    objects = sum(LIGHTS in (document.nodes[index].extensions or {}) for index in graph.order)
    triangles = 0
    for node in drawn.nodes:
        mesh = document.nodes[node].mesh or 0
        count = instance_count(document, node)
        objects += count * len(drawn.surfaces[mesh])
        triangles += count * triangles_of[mesh]
    limits.check_objects(objects)
    limits.check_triangles(triangles)
