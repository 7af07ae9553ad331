"""Keypoints: nodes named ``keypoint:NAME``, each a point of one of the document's objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..limits import ask_time
from ..scene import Instances, Keypoint
from . import schema
from .graph import Graph

__all__ = ["KEYPOINT", "find_keypoints"]

KEYPOINT = "keypoint:"
"""How the name of a keypoint's node begins."""

_SEVERAL = -1


def find_keypoints(
    document: schema.Document, graph: Graph, instances: Instances, warnings: list[str]
) -> tuple[Keypoint, ...]:
    """Find the keypoints of the objects.

    A keypoint belongs to the object of the nearest node above it that shows a mesh. Where a body holds its
    mesh and its keypoints side by side, it belongs to what shows a mesh below the nearest node above it that
    has any such below, if that is one node only. Where a node shows several copies of its mesh, each of them
    has the keypoint.

    Parameters
    ----------
    document : Document
    graph : Graph
    instances : Instances
    warnings : list of str
        Which keypoints belong to no one object is added.
    """
    names = {index: document.nodes[index].name for index in graph.order}
    named = {
        index: name.removeprefix(KEYPOINT)
        for index, name in names.items()
        if isinstance(name, str) and name.startswith(KEYPOINT) and name != KEYPOINT
    }
    if not named:
        return ()
    copies: dict[int, list[int]] = {}
    for number, node in enumerate(instances.node.tolist()):
        copies.setdefault(node, []).append(number)
    owners = _Owners(graph, copies)
    found: list[Keypoint] = []
    for index, name in named.items():
        ask_time()
        owner = owners.of(index)
        if owner is None:
            warnings.append(f"nodes[{index}]: {KEYPOINT}{name[:40]} belongs to no one object; left out")
            continue
        for number in copies[owner]:
            found.append(Keypoint(name, number, _position(graph, index, owner, instances.matrix[number])))
    return tuple(found)


class _Owners:
    """Whose a node is that shows nothing itself.

    Parameters
    ----------
    graph : Graph
    shown : collection of int
        The nodes that show objects.
    """

    def __init__(self, graph: Graph, shown: Iterable[int]) -> None:
        self._graph = graph
        self._below = _only_below(graph, shown)
        self._shown = frozenset(shown)
        self._known: dict[int, int | None] = {}

    def of(self, node: int) -> int | None:
        """Return the node whose object a node belongs to; None = there is none, or there are several."""
        path: list[int] = []
        above = self._graph.above(node)
        while above is not None and above not in self._known and above not in self._below:
            ask_time()
            path.append(above)
            above = self._graph.above(above)
        owner = None if above is None else self._known.get(above, self._named(above))
        self._known |= dict.fromkeys(path, owner)
        return owner

    def _named(self, node: int) -> int | None:
        if node in self._shown:
            return node
        only = self._below.get(node, _SEVERAL)
        return None if only == _SEVERAL else only


def _only_below(graph: Graph, shown: Iterable[int]) -> Mapping[int, int]:
    """Return for each node with objects in or below it the only one of them, or that there are several."""
    below: dict[int, int] = {}
    for node in shown:
        ask_time()
        above: int | None = node
        while above is not None and below.get(above) != _SEVERAL:
            below[above] = node if above not in below else _SEVERAL
            above = graph.above(above)
    return below


def _position(graph: Graph, node: int, owner: int, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a keypoint of an object is in the world, (3,)."""
    position = graph.world[node][:3, 3]
    if (matrix == graph.world[owner]).all():
        return position.copy()
    return (matrix @ np.linalg.pinv(graph.world[owner]) @ np.append(position, 1.0))[:3]
