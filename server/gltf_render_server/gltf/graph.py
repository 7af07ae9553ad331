"""The node hierarchy: local transforms -> world matrices, in float64, for any depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema

__all__ = ["FARTHEST_M", "Graph", "check_reach", "nearest_rigid", "thickened", "trs_matrices"]

FARTHEST_M = 1e9
"""What stands, or reaches, farther than that is refused; single precision holds nothing useful beyond."""

_SMALLEST_SINGULAR_VALUE = 1e-9
_FLATTEST = 5e-7  # of the largest side; below, single precision finds no inverse
_THINNEST = 5e-6

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
    """

    order: tuple[int, ...]
    world: Matrices
    _nodes: Sequence[schema.Node]
    _parents: Sequence[int | None]

    @classmethod
    def from_document(cls, document: schema.Document) -> Graph:
        """Walk the default scene; indices must have been checked.

        Raises
        ------
        SceneError
            The nodes are no forest, or a transform is none.
        """
        parents = _parents(document.nodes)
        local = _local_matrices(document.nodes)
        level = _roots(document, parents)
        world = local.copy()
        order: list[int] = []
        while level:
            order += level
            children = [(child, node) for node in level for child in document.nodes[node].children or ()]
            level = [child for child, _ in children]
            if level:
                above = [node for _, node in children]
                with np.errstate(over="ignore", invalid="ignore"):  # told below
                    world[level] = world[above] @ local[level]
        check_reach(world[order], [f"$.nodes[{index}]" for index in order])
        return cls(tuple(sorted(order)), world, document.nodes, parents)

    def rigid(self, node: int) -> Matrices:
        """Return where a node stands, (4, 4), turned by the rotations above it: no scale has a say.

        Each transform is taken apart by itself, so that none is sheared by what stands above it.
        """
        matrix = np.eye(4)
        above: int | None = node
        while above is not None:
            matrix[:3, :3] = _rotation(self._nodes[above]) @ matrix[:3, :3]
            above = self._parents[above]
        matrix[:3, 3] = self.world[node, :3, 3]
        return matrix


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


def nearest_rigid(matrix: Matrices, where: str) -> Matrices:
    """Return the rotation and translation next to a matrix that wrappers may have scaled.

    Parameters
    ----------
    matrix : (4, 4) float64

    Raises
    ------
    SceneError
        It is singular or mirrored.
    """
    left, singular_values, right = np.linalg.svd(matrix[:3, :3])
    rotation = left @ right
    if singular_values[-1] < _SMALLEST_SINGULAR_VALUE or np.linalg.det(rotation) < 0:
        raise SceneError("the camera's transform is singular or mirrored", where)
    rigid = np.eye(4)
    rigid[:3, :3] = rotation
    rigid[:3, 3] = matrix[:3, 3]
    return rigid


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


def _rotation(node: schema.Node) -> Matrices:
    """Return the rotation of a node, or next to its matrix, (3, 3); a mirror leaves the z axis in place."""
    if node.matrix is None:
        quaternion = np.array([node.rotation or (0, 0, 0, 1)], float)
        unit = np.array([[1.0, 1.0, 1.0]])
        return trs_matrices(0 * unit, quaternion / np.linalg.norm(quaternion), unit)[0, :3, :3]
    matrix = np.reshape(node.matrix, (4, 4)).T[:3, :3]
    if np.linalg.det(matrix) < 0:
        matrix = matrix * (-1.0, 1.0, 1.0)
    left, _, right = np.linalg.svd(matrix)
    left[:, -1] *= np.sign(np.linalg.det(left @ right))  # what is flat has two sides to choose from
    return left @ right


def _parents(nodes: Sequence[schema.Node]) -> list[int | None]:
    parents: list[int | None] = [None] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.children or ():
            if parents[child] is not None or child == index:
                raise SceneError(f"node {child} has two parents or is its own", f"$.nodes[{index}].children")
            parents[child] = index
    _check_acyclic(nodes, parents)
    return parents


def _check_acyclic(nodes: Sequence[schema.Node], parents: Sequence[int | None]) -> None:
    """With one parent each, what no root reaches goes round in a circle."""
    pending = [index for index, parent in enumerate(parents) if parent is None]
    reached = set(pending)
    while pending:
        children = nodes[pending.pop()].children or ()
        reached.update(children)
        pending.extend(children)
    if len(reached) < len(nodes):
        first = min(set(range(len(nodes))) - reached)
        raise SceneError("the node is its own ancestor", f"$.nodes[{first}]")


def _roots(document: schema.Document, parents: Sequence[int | None]) -> list[int]:
    number = document.scene or 0
    if not document.scenes:
        raise SceneError("the document has no scene", "$.scenes")
    roots: dict[int, None] = {}  # ordered
    for place, root in enumerate(document.scenes[number].nodes or ()):
        if parents[root] is not None or root in roots:
            raise SceneError(f"node {root} is no root, or listed twice", f"$.scenes[{number}].nodes[{place}]")
        roots[root] = None
    return list(roots)


def _local_matrices(nodes: Sequence[schema.Node]) -> Matrices:
    translation = np.array([node.translation or (0, 0, 0) for node in nodes], float).reshape(-1, 3)
    rotation = np.array([node.rotation or (0, 0, 0, 1) for node in nodes], float).reshape(-1, 4)
    scale = np.array([node.scale or (1, 1, 1) for node in nodes], float).reshape(-1, 3)
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(rotation, axis=1, keepdims=True)
    for index in np.flatnonzero(~((norm[:, 0] > 1e-6) & np.isfinite(norm[:, 0]))):
        raise SceneError("is no rotation", f"$.nodes[{index}].rotation")
    local = trs_matrices(translation, rotation / norm, scale)
    given = [index for index, node in enumerate(nodes) if node.matrix is not None]
    if given:
        columns = np.array([nodes[index].matrix for index in given], float).reshape(-1, 4, 4)
        _check_affine(columns, given, nodes)
        local[given] = columns.transpose(0, 2, 1)
    return local


def _check_affine(columns: Matrices, given: Sequence[int], nodes: Sequence[schema.Node]) -> None:
    last_rows = columns[:, :, 3]
    for place in np.flatnonzero(~(np.abs(last_rows - (0, 0, 0, 1)) < 1e-9).all(1)).tolist():
        raise SceneError("its last row must be 0 0 0 1", f"$.nodes[{given[place]}].matrix")
    for index in given:
        node = nodes[index]
        if node.translation or node.rotation or node.scale:
            raise SceneError("has both a matrix and a translation, rotation or scale", f"$.nodes[{index}]")
