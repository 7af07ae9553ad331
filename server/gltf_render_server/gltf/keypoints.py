"""Keypoints: nodes with names of the form ``keypoint:NAME``. Each marks a point of an object."""

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
"""The prefix of the names of keypoint nodes."""

_SEVERAL = -1


def find_keypoints(
    document: schema.Document, graph: Graph, instances: Instances, warnings: list[str]
) -> tuple[Keypoint, ...]:
    """Find the keypoints of the objects.

    A keypoint belongs to the object of its nearest ancestor that draws a mesh. If there is none, for example
    because a body has its mesh and its keypoints as siblings, the nearest ancestor with descendants that draw
    a mesh decides: if there is exactly one such descendant, the keypoint belongs to its object. If a node
    draws several copies of its mesh, each copy has the keypoint.

    Parameters
    ----------
    document : Document
    graph : Graph
    instances : Instances
    warnings : list of str
        Warnings about keypoints without a unique object are added here.
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
    """Finds the object to which a node without a mesh of its own belongs.

    Parameters
    ----------
    graph : Graph
    shown : collection of int
        The nodes that draw objects.
    """

    def __init__(self, graph: Graph, shown: Iterable[int]) -> None:
        self._graph = graph
        self._below = _only_below(graph, shown)
        self._shown = frozenset(shown)
        self._known: dict[int, int | None] = {}

    def of(self, node: int) -> int | None:
        """Return the node to whose object a node belongs; None if there is none, or if it is ambiguous."""
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
    """Return for each node the only node with objects in its subtree, or a marker for several."""
    below: dict[int, int] = {}
    for node in shown:
        ask_time()
        above: int | None = node
        while above is not None and below.get(above) != _SEVERAL:
            below[above] = node if above not in below else _SEVERAL
            above = graph.above(above)
    return below


def _position(graph: Graph, node: int, owner: int, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the position of an object's keypoint in the world, (3,)."""
    position = graph.world[node][:3, 3]
    if (matrix == graph.world[owner]).all():
        return position.copy()
    return (matrix @ np.linalg.pinv(graph.world[owner]) @ np.append(position, 1.0))[:3]
