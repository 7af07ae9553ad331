"""The node hierarchy: local transforms -> world matrices, in float64, for any depth."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import ask_time
from . import schema
from .extensions import VISIBILITY

__all__ = ["FARTHEST_M", "Graph", "check_reach", "scene_roots", "thickened", "trs_matrices"]

FARTHEST_M = 1e9
"""What stands, or reaches, farther than that is refused; single precision holds nothing useful beyond."""

_FLATTEST = 5e-7  # of the largest side; below, single precision finds no inverse
_THINNEST = 5e-6
_ROUNDING = 1e-5  # of matrices in single precision
_MOST_NODES = 200_000

Matrices = NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """The nodes that the default scene reaches.

    Attributes
    ----------
    order : tuple of int
        Indices of the nodes, in the document's order.
    world : (number of nodes, 4, 4) float64
        Column vectors, node to world; meaningful for the nodes in `order`.
    hidden : frozenset of int
        Those of `order` that KHR_node_visibility hides, by themselves or by a node above them.
    """

    order: tuple[int, ...]
    world: Matrices
    hidden: frozenset[int]
    _nodes: Sequence[schema.Node]
    _parents: Mapping[int, int]
    _poses: Mapping[int, Matrices]
    _turns: dict[int, Matrices] = field(default_factory=dict)

    @classmethod
    def from_document(
        cls, document: schema.Document, poses: Mapping[int, Matrices] = MappingProxyType({})
    ) -> Graph:
        """Walk the default scene; indices must have been checked.

        Parameters
        ----------
        document : Document
        poses : mapping of int to (4, 4) float64
            World matrices that nodes have instead of their own; what is below them moves along.

        Raises
        ------
        SceneError
            The nodes that it reaches are no forest, or a transform is none.
        """
        nodes = document.nodes
        if len(nodes) > _MOST_NODES:
            raise SceneError(f"has more than {_MOST_NODES} nodes", "$.nodes")
        level = scene_roots(document)
        reached: dict[int, None] = {}  # ordered
        steps: list[tuple[list[int], list[int]]] = []
        hidden = {index for index in level if _is_hidden(nodes[index])}
        while level:
            ask_time()
            reached |= dict.fromkeys(level)
            children = [(child, node) for node in level for child in nodes[node].children or ()]
            level, above = [child for child, _ in children], [node for _, node in children]
            _check_new(level, above, reached)
            hidden |= {child for child, node in children if node in hidden or _is_hidden(nodes[child])}
            steps.append((level, above))
        world = np.tile(np.eye(4), (len(nodes), 1, 1))
        order = list(reached)
        world[order] = _local_matrices(nodes, order)
        _pose(world, order, poses)
        for level, above in steps:
            ask_time()
            if level:
                with np.errstate(over="ignore", invalid="ignore"):  # told below
                    world[level] = world[above] @ world[level]
                _pose(world, level, poses)
        check_reach(world[order], [f"$.nodes[{index}]" for index in order])
        parents = {child: node for level, above in steps for child, node in zip(level, above, strict=True)}
        return cls(tuple(sorted(order)), world, frozenset(hidden), nodes, parents, poses)

    def above(self, node: int) -> int | None:
        """Return the node that holds a node of `order`; None = none does."""
        return self._parents.get(node)

    def rigid(self, node: int) -> Matrices:
        """Return where a node of `order` stands, (4, 4), turned by the rotations above it.

        No scale has a say: each transform is taken apart by itself, so that none above it shears it.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = self._turn(node)
        matrix[:3, 3] = self.world[node, :3, 3]
        return matrix

    def _turn(self, node: int) -> Matrices:
        """Compose the rotations from the root to a node, (3, 3); those above it are kept."""
        path: list[int] = []
        above: int | None = node
        while above is not None and above not in self._turns:
            if above in self._poses:
                self._turns[above] = _turn_of(self._poses[above])
                break
            path.append(above)
            above = self._parents.get(above)
        turn = np.eye(3) if above is None else self._turns[above]
        for below in reversed(path):
            ask_time()
            turn = self._turns[below] = turn @ _rotation(self._nodes[below])
        return turn


def check_reach(matrices: Matrices, places: Sequence[str]) -> None:
    """Check that transforms stay within what single precision can show.

    Parameters
    ----------
    matrices : (n, 4, 4) float64
    places : sequence of str
        Where each stands in the document.

    Raises
    ------
    SceneError
        One is not finite, or too far or too large.
    """
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(matrices) < FARTHEST_M).all((1, 2))
    for index in np.flatnonzero(bad).tolist():
        raise SceneError(f"its place or size in the world is beyond {FARTHEST_M:g}", places[index])


def thickened(matrices: Matrices) -> Matrices:
    """Give what a scale of 0 flattens a thickness of some millionths of its size; leave the rest as it is.

    Renderers invert matrices, and the two sides of what is quite flat hide each other from the light.

    Parameters
    ----------
    matrices : (n, 4, 4) float64
    """
    turns = matrices[:, :3, :3]
    bound = np.abs(turns).max((1, 2), initial=0.0) ** 3
    flat = np.flatnonzero(np.abs(np.linalg.det(turns)) <= 9 * _FLATTEST * bound)  # or thin in two directions
    left, sizes, right = np.linalg.svd(turns[flat])
    is_flat = sizes[:, 2] < _FLATTEST * sizes[:, 0]
    thick = np.maximum(sizes, _THINNEST * sizes[:, :1])
    out = matrices.copy()
    out[flat[is_flat], :3, :3] = (left * thick[:, None, :] @ right)[is_flat]
    return out


def trs_matrices(translation: Matrices, rotation: Matrices, scale: Matrices) -> Matrices:
    """Compose translation, rotation and scale.

    Parameters
    ----------
    translation, scale : (n, 3) float64
    rotation : (n, 4) float64
        Unit quaternions, x y z w.

    Returns
    -------
    (n, 4, 4) float64
    """
    x, y, z, w = rotation.T
    matrices = np.zeros((len(rotation), 4, 4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrices[:, :3, :3] = np.moveaxis(np.array(rows), 2, 0) * scale[:, None, :]
    matrices[:, :3, 3] = translation
    matrices[:, 3, 3] = 1.0
    return matrices


def _pose(world: Matrices, nodes: Sequence[int], poses: Mapping[int, Matrices]) -> None:
    """Give those of some nodes that have a pose that as their world matrix."""
    for node in poses.keys() & set(nodes) if poses else ():
        world[node] = poses[node]


def _rotation(node: schema.Node) -> Matrices:
    """Return the rotation of a node, or next to its matrix, (3, 3)."""
    if node.matrix is None:
        quaternion = np.array([node.rotation or (0, 0, 0, 1)], float)
        unit = np.array([[1.0, 1.0, 1.0]])
        return trs_matrices(0 * unit, quaternion / np.linalg.norm(quaternion), unit)[0, :3, :3]
    return _turn_of(np.reshape(node.matrix, (4, 4)).T)


def _turn_of(matrix: Matrices) -> Matrices:
    """Return the rotation next to a (4, 4) matrix, (3, 3); a mirror leaves the z axis in place."""
    matrix = matrix[:3, :3]
    if np.linalg.det(matrix) < 0:
        matrix = matrix * (-1.0, 1.0, 1.0)
    left, _, right = np.linalg.svd(matrix)
    left[:, -1] *= np.sign(np.linalg.det(left @ right))  # what is flat has two sides to choose from
    return left @ right


def scene_roots(document: schema.Document) -> list[int]:
    """Return the nodes of the default scene; without scenes, those that nothing stands above."""
    if not document.scenes:
        below = {child for node in document.nodes for child in node.children or ()}
        return [index for index in range(len(document.nodes)) if index not in below]
    number = document.scene or 0
    roots = document.scenes[number].nodes or []
    if len(set(roots)) < len(roots):
        raise SceneError("a node is listed twice", f"$.scenes[{number}].nodes")
    return roots


def _check_new(level: Sequence[int], above: Sequence[int], reached: Container[int]) -> None:
    """Check that a walk meets no node again: it would have two parents, or be its own ancestor."""
    met: set[int] = set()
    for child, node in zip(level, above, strict=True):
        if child in reached or child in met:
            raise SceneError(
                f"node {child} has two parents, or is its own ancestor", f"$.nodes[{node}].children"
            )
        met.add(child)


def _is_hidden(node: schema.Node) -> bool:
    visibility = (node.extensions or {}).get(VISIBILITY)
    return isinstance(visibility, dict) and visibility.get("visible") is False


def _local_matrices(nodes: Sequence[schema.Node], order: Sequence[int]) -> Matrices:
    used = [nodes[index] for index in order]
    translation = np.array([node.translation or (0, 0, 0) for node in used], float).reshape(-1, 3)
    rotation = np.array([node.rotation or (0, 0, 0, 1) for node in used], float).reshape(-1, 4)
    scale = np.array([node.scale or (1, 1, 1) for node in used], float).reshape(-1, 3)
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(rotation, axis=1, keepdims=True)
    for place in np.flatnonzero(~((norm[:, 0] > 1e-6) & np.isfinite(norm[:, 0]))).tolist():
        raise SceneError("is no rotation", f"$.nodes[{order[place]}].rotation")
    local = trs_matrices(translation, rotation / norm, scale)
    given = [place for place, node in enumerate(used) if node.matrix is not None]
    if given:
        columns = np.array([used[place].matrix for place in given], float).reshape(-1, 4, 4)
        _check_affine(columns, [order[place] for place in given], nodes)
        columns[:, :, 3] = (0, 0, 0, 1)  # whatever rounding has made of it
        local[given] = columns.transpose(0, 2, 1)
    return local


def _check_affine(columns: Matrices, given: Sequence[int], nodes: Sequence[schema.Node]) -> None:
    last_rows = columns[:, :, 3]
    is_affine = (np.abs(last_rows - (0, 0, 0, 1)) < _ROUNDING).all(1)
    for place in np.flatnonzero(~is_affine).tolist():
        raise SceneError("its last row must be 0 0 0 1", f"$.nodes[{given[place]}].matrix")
    for index in given:
        node = nodes[index]
        if node.translation or node.rotation or node.scale:
            raise SceneError("has both a matrix and a translation, rotation or scale", f"$.nodes[{index}]")
