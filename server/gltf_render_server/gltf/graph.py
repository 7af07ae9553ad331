"""The node hierarchy: local transforms -> world matrices, in float64, for any depth.

What stands above what, and where each node stands, are told apart: most scenes that come one after another
differ in the second alone.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import ask_time
from . import schema
from .extensions import VISIBILITY

__all__ = [
    "FARTHEST_M",
    "Graph",
    "Hierarchy",
    "Transforms",
    "check_reach",
    "scene_roots",
    "thickened",
    "trs_matrices",
]

FARTHEST_M = 1e9
"""What stands, or reaches, farther than that is refused; single precision holds nothing useful beyond."""

_FLATTEST = 5e-7  # of the largest side; below, single precision finds no inverse
_THINNEST = 5e-6
_ROUNDING = 1e-5  # of matrices in single precision
_MOST_NODES = 200_000

Matrices = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The nodes that the default scene reaches, and which is above which, wherever they stand.

    Attributes
    ----------
    count : int
        How many nodes the document has.
    order : tuple of int
        Indices of the nodes that are reached, in the document's order.
    walk : (n,) int
        The same nodes level by level, the roots first.
    hidden : frozenset of int
        Those of `order` that KHR_node_visibility hides, by themselves or by a node above them.
    levels : tuple of ((m,) int, (m,) int)
        Below the roots, the nodes of each level and for each the node above it.
    parents : mapping of int to int
        The node above each that has one.
    """

    count: int
    order: tuple[int, ...]
    walk: Indices
    hidden: frozenset[int]
    levels: tuple[tuple[Indices, Indices], ...]
    parents: Mapping[int, int]

    @classmethod
    def of(cls, document: schema.Document) -> Hierarchy:
        """Walk the default scene; indices must have been checked.

        Raises
        ------
        SceneError
            The nodes that it reaches are no forest, or there are too many.
        """
        nodes = document.nodes
        if len(nodes) > _MOST_NODES:
            raise SceneError(f"has more than {_MOST_NODES} nodes", "$.nodes")
        level = scene_roots(document)
        reached: dict[int, None] = {}  # ordered
        levels: list[tuple[Indices, Indices]] = []
        parents: dict[int, int] = {}
        hidden = {index for index in level if _is_hidden(nodes[index])}
        while level:
            ask_time()
            reached |= dict.fromkeys(level)
            children = [(child, node) for node in level for child in nodes[node].children or ()]
            level, above = [child for child, _ in children], [node for _, node in children]
            _check_new(level, above, reached)
            hidden |= {child for child, node in children if node in hidden or _is_hidden(nodes[child])}
            if level:
                parents |= zip(level, above, strict=True)
                levels.append((np.array(level, np.intp), np.array(above, np.intp)))
        walk = np.array([*reached], np.intp)
        return cls(len(nodes), tuple(sorted(reached)), walk, frozenset(hidden), tuple(levels), parents)

    @property
    def nbytes(self) -> int:
        """About what it takes of memory."""
        return _NODE_BYTES * len(self.order)

    @cached_property
    def place(self) -> Mapping[int, int]:
        """Where in `walk` each node is."""
        return {node: place for place, node in enumerate(self.walk.tolist())}


_NODE_BYTES = 300  # in tuples and mappings of numbers


@dataclass(frozen=True, eq=False)
class Transforms:
    """Where nodes stand below the nodes above them, as the document says it.

    Attributes
    ----------
    nodes : (n,) int
        Whose they are.
    translation, scale : (n, 3) float64
    rotation : (n, 4) float64
        Quaternions of any length.
    columns : (n, 4, 4) float64
        Matrices by columns, where a node has one.
    has_matrix, has_both : (n,) bool
        Whether a node has a matrix, and whether it has anything beside it.
    """

    nodes: Indices
    translation: Matrices
    rotation: Matrices
    scale: Matrices
    columns: Matrices
    has_matrix: NDArray[np.bool_]
    has_both: NDArray[np.bool_]

    @classmethod
    def of(cls, nodes: Sequence[schema.Node], used: Indices) -> Transforms:
        """Read those of some of a document's nodes."""
        items = [nodes[index] for index in used.tolist()]
        given = [(place, item.matrix) for place, item in enumerate(items) if item.matrix is not None]
        has_matrix, columns = np.zeros(len(items), bool), np.zeros((len(items), 16))
        if given:
            places = [place for place, _ in given]
            has_matrix[places] = True
            columns[places] = np.array([matrix for _, matrix in given], float)
        return cls(
            used,
            _vectors([item.translation for item in items], (0, 0, 0)),
            _vectors([item.rotation for item in items], (0, 0, 0, 1)),
            _vectors([item.scale for item in items], (1, 1, 1)),
            columns.reshape(-1, 4, 4),
            has_matrix,
            has_matrix & np.array([bool(it.translation or it.rotation or it.scale) for it in items], bool),
        )

    @property
    def nbytes(self) -> int:
        """What it takes of memory."""
        return sum(array.nbytes for array in vars(self).values())

    def moved(self, nodes: Mapping[int, schema.Node], hierarchy: Hierarchy) -> Transforms:
        """Return the same where some nodes, by their numbers, are others; it is of a whole hierarchy."""
        places = {hierarchy.place[index]: node for index, node in nodes.items() if index in hierarchy.place}
        if not places:
            return self
        new, where = Transforms.of([*places.values()], np.arange(len(places))), [*places]
        arrays = {name: array.copy() for name, array in vars(self).items() if name != "nodes"}
        for name, array in arrays.items():
            array[where] = getattr(new, name)
        return Transforms(self.nodes, **arrays)

    def matrices(self) -> Matrices:
        """Compose them, (n, 4, 4).

        Raises
        ------
        SceneError
            One is no transform.
        """
        with np.errstate(over="ignore"):
            norm = np.linalg.norm(self.rotation, axis=1, keepdims=True)
        for place in np.flatnonzero(~((norm[:, 0] > 1e-6) & np.isfinite(norm[:, 0]))).tolist():
            raise SceneError("is no rotation", f"$.nodes[{self.nodes[place]}].rotation")
        local = trs_matrices(self.translation, self.rotation / norm, self.scale)
        given = np.flatnonzero(self.has_matrix)
        self._check_affine(given)
        columns = self.columns[given]
        columns[:, :, 3] = (0, 0, 0, 1)  # whatever rounding has made of it
        local[given] = columns.transpose(0, 2, 1)
        return local

    def _check_affine(self, given: Indices) -> None:
        is_affine = (np.abs(self.columns[given, :, 3] - (0, 0, 0, 1)) < _ROUNDING).all(1)
        for place in given[~is_affine].tolist():
            raise SceneError("its last row must be 0 0 0 1", f"$.nodes[{self.nodes[place]}].matrix")
        for place in np.flatnonzero(self.has_both).tolist():
            raise SceneError(
                "has both a matrix and a translation, rotation or scale", f"$.nodes[{self.nodes[place]}]"
            )


@dataclass(frozen=True)
class Graph:
    """Where the nodes of a hierarchy stand in the world.

    Attributes
    ----------
    hierarchy : Hierarchy
    world : (number of nodes, 4, 4) float64
        Column vectors, node to world; meaningful for the nodes in `order`.
    """

    hierarchy: Hierarchy
    world: Matrices
    _nodes: Sequence[schema.Node]
    _poses: Mapping[int, Matrices]
    _turns: dict[int, Matrices] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: schema.Document) -> Graph:
        """Walk a document's default scene; indices must have been checked.

        Raises
        ------
        SceneError
            The nodes that it reaches are no forest, or a transform is none.
        """
        hierarchy = Hierarchy.of(document)
        return cls.posed(hierarchy, Transforms.of(document.nodes, hierarchy.walk), document.nodes)

    @classmethod
    def posed(
        cls,
        hierarchy: Hierarchy,
        transforms: Transforms,
        nodes: Sequence[schema.Node],
        poses: Mapping[int, Matrices] = MappingProxyType({}),
    ) -> Graph:
        """Tell where nodes stand.

        Parameters
        ----------
        hierarchy : Hierarchy
        transforms : Transforms
            Of all that `hierarchy` reaches, in the order of its walk.
        nodes : sequence of Node
            The document's, as the transforms have them.
        poses : mapping of int to (4, 4) float64
            World matrices that nodes have instead of their own; what is below them moves along.

        Raises
        ------
        SceneError
            A transform is none, or too far or too large.
        """
        world = np.tile(np.eye(4), (hierarchy.count, 1, 1))
        walk = hierarchy.walk
        world[walk] = transforms.matrices()
        _pose(world, walk, poses)
        for level, above in hierarchy.levels:
            ask_time()
            with np.errstate(over="ignore", invalid="ignore"):  # told below
                world[level] = world[above] @ world[level]
            _pose(world, level, poses)
        check_reach(world[walk], lambda place: f"$.nodes[{walk[place]}]")
        return cls(hierarchy, world, nodes, poses)

    @property
    def order(self) -> tuple[int, ...]:
        """Indices of the nodes, in the document's order."""
        return self.hierarchy.order

    @property
    def hidden(self) -> frozenset[int]:
        """See `Hierarchy.hidden`."""
        return self.hierarchy.hidden

    def above(self, node: int) -> int | None:
        """Return the node that holds a node of `order`; None = none does."""
        return self.hierarchy.parents.get(node)

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
            above = self.hierarchy.parents.get(above)
        turn = np.eye(3) if above is None else self._turns[above]
        for below in reversed(path):
            ask_time()
            turn = self._turns[below] = turn @ _rotation(self._nodes[below])
        return turn


def check_reach(matrices: Matrices, where: Callable[[int], str]) -> None:
    """Check that transforms stay within what single precision can show.

    Parameters
    ----------
    matrices : (n, 4, 4) float64
    where : callable
        Tells where each, by its index, stands in the document.

    Raises
    ------
    SceneError
        One is not finite, or too far or too large.
    """
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(matrices) < FARTHEST_M).all((1, 2))
    for index in np.flatnonzero(bad).tolist():
        raise SceneError(f"its place or size in the world is beyond {FARTHEST_M:g}", where(index))


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


def _pose(world: Matrices, nodes: Indices, poses: Mapping[int, Matrices]) -> None:
    """Give those of some nodes that have a pose that as their world matrix."""
    for node in poses.keys() & set(nodes.tolist()) if poses else ():
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


def _vectors(values: Sequence[Sequence[float] | None], otherwise: tuple[float, ...]) -> Matrices:
    """Return (n, k) numbers; what is None, or empty, is otherwise."""
    vectors = np.tile(np.array(otherwise, float), (len(values), 1))
    given = [place for place, value in enumerate(values) if value]
    if given:
        vectors[given] = np.array([values[place] for place in given], float)
    return vectors
