"""The node hierarchy: computes world matrices from local transforms, in float64, for any depth.

The hierarchy and the transforms are stored separately, because consecutive scenes mostly differ only in the
transforms.
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
"""The largest distance and extent in metres that are accepted. Single precision is useless beyond."""

_FLATTEST = 5e-7  # as a fraction of the largest side; flatter matrices have no inverse in single precision
_THINNEST = 5e-6
_ROUNDING = 1e-5  # the rounding error of matrices in single precision
_MOST_NODES = 200_000

Matrices = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The nodes in the default scene and their parents, without their transforms.

    Attributes
    ----------
    count : int
        The number of nodes in the document.
    order : tuple of int
        The indices of the nodes in the default scene, in the document's order.
    walk : (n,) int
        The same nodes level by level, beginning with the roots.
    hidden : frozenset of int
        The nodes of `order` that KHR_node_visibility hides, directly or through an ancestor.
    levels : tuple of ((m,) int, (m,) int)
        For each level below the roots, its nodes and their parents.
    parents : mapping of int to int
        The parent of each node that has one.
    """

    count: int
    order: tuple[int, ...]
    walk: Indices
    hidden: frozenset[int]
    levels: tuple[tuple[Indices, Indices], ...]
    parents: Mapping[int, int]

    @classmethod
    def of(cls, document: schema.Document) -> Hierarchy:
        """Traverse the default scene. The document's indices must have been checked.

        Raises
        ------
        SceneError
            The nodes do not form a forest, or there are too many of them.
        """
        nodes = document.nodes
        if len(nodes) > _MOST_NODES:
            raise SceneError(f"has more than {_MOST_NODES} nodes", "$.nodes")
        level = scene_roots(document)
        reached: dict[int, None] = {}  # ordered, unlike a set
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
        """The approximate memory that the hierarchy takes, in bytes."""
        return _NODE_BYTES * len(self.order)

    @cached_property
    def place(self) -> Mapping[int, int]:
        """The position of each node in `walk`."""
        return {node: place for place, node in enumerate(self.walk.tolist())}


_NODE_BYTES = 300  # in the tuples and mappings above


@dataclass(frozen=True, eq=False)
class Transforms:
    """The local transforms of nodes, as the document gives them.

    Attributes
    ----------
    nodes : (n,) int
        The indices of the nodes.
    translation, scale : (n, 3) float64
    rotation : (n, 4) float64
        Quaternions, not necessarily normalised.
    columns : (n, 4, 4) float64
        The columns of the nodes' matrices. Nodes without a matrix have arbitrary values.
    has_matrix, has_both : (n,) bool
        Whether a node has a matrix, and whether it has other transform properties in addition.
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
        """Read the transforms of some nodes of a document."""
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
        """The memory that the transforms take, in bytes."""
        return sum(array.nbytes for array in vars(self).values())

    def moved(self, nodes: Mapping[int, schema.Node], hierarchy: Hierarchy) -> Transforms:
        """Return the transforms of a whole hierarchy in which some nodes, given by index, are replaced."""
        places = {hierarchy.place[index]: node for index, node in nodes.items() if index in hierarchy.place}
        if not places:
            return self
        new, where = Transforms.of([*places.values()], np.arange(len(places))), [*places]
        arrays = {name: array.copy() for name, array in vars(self).items() if name != "nodes"}
        for name, array in arrays.items():
            array[where] = getattr(new, name)
        return Transforms(self.nodes, **arrays)

    def matrices(self) -> Matrices:
        """Compose the local matrices, (n, 4, 4).

        Raises
        ------
        SceneError
            A transform is invalid.
        """
        with np.errstate(over="ignore"):
            norm = np.linalg.norm(self.rotation, axis=1, keepdims=True)
        for place in np.flatnonzero(~((norm[:, 0] > 1e-6) & np.isfinite(norm[:, 0]))).tolist():
            raise SceneError("is no rotation", f"$.nodes[{self.nodes[place]}].rotation")
        local = trs_matrices(self.translation, self.rotation / norm, self.scale)
        given = np.flatnonzero(self.has_matrix)
        self._check_affine(given)
        columns = self.columns[given]
        columns[:, :, 3] = (0, 0, 0, 1)  # corrects rounding errors
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
    """The world matrices of the nodes of a hierarchy.

    Attributes
    ----------
    hierarchy : Hierarchy
    world : (number of nodes, 4, 4) float64
        Node-to-world matrices for column vectors. They are valid for the nodes in `order`.
    """

    hierarchy: Hierarchy
    world: Matrices
    _nodes: Sequence[schema.Node]
    _poses: Mapping[int, Matrices]
    _turns: dict[int, Matrices] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: schema.Document) -> Graph:
        """Traverse the default scene of a document. The document's indices must have been checked.

        Raises
        ------
        SceneError
            The nodes do not form a forest, or a transform is invalid.
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
        """Compute the world matrices.

        Parameters
        ----------
        hierarchy : Hierarchy
        transforms : Transforms
            The transforms of all nodes in the hierarchy, in the order of `walk`.
        nodes : sequence of Node
            The nodes of the document, with the same transforms.
        poses : mapping of int to (4, 4) float64
            World matrices that replace those of some nodes. The descendants of these nodes move along.

        Raises
        ------
        SceneError
            A transform is invalid, too far away or too large.
        """
        world = np.tile(np.eye(4), (hierarchy.count, 1, 1))
        walk = hierarchy.walk
        world[walk] = transforms.matrices()
        _pose(world, walk, poses)
        for level, above in hierarchy.levels:
            ask_time()
            with np.errstate(over="ignore", invalid="ignore"):  # overflow is reported as an error below
                world[level] = world[above] @ world[level]
            _pose(world, level, poses)
        check_reach(world[walk], lambda place: f"$.nodes[{walk[place]}]")
        return cls(hierarchy, world, nodes, poses)

    @property
    def order(self) -> tuple[int, ...]:
        """The indices of the nodes in the default scene, in the document's order."""
        return self.hierarchy.order

    @property
    def hidden(self) -> frozenset[int]:
        """See `Hierarchy.hidden`."""
        return self.hierarchy.hidden

    def above(self, node: int) -> int | None:
        """Return the parent of a node of `order`; None if it is a root."""
        return self.hierarchy.parents.get(node)

    def rigid(self, node: int) -> Matrices:
        """Return the pose of a node of `order`, (4, 4), with the product of all rotations down to it.

        The rotation is extracted from each transform separately, so scales of ancestors cannot shear the
        result.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = self._turn(node)
        matrix[:3, 3] = self.world[node, :3, 3]
        return matrix

    def _turn(self, node: int) -> Matrices:
        """Compose the rotations from the root to a node, (3, 3). Those of its ancestors are cached."""
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
    """Check that transforms stay within the range that single precision can handle.

    Parameters
    ----------
    matrices : (n, 4, 4) float64
    where : callable
        Returns the location in the document of the matrix with a given index.

    Raises
    ------
    SceneError
        A matrix is not finite, too far away, or too large.
    """
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(matrices) < FARTHEST_M).all((1, 2))
    for index in np.flatnonzero(bad).tolist():
        raise SceneError(f"its place or size in the world is beyond {FARTHEST_M:g}", where(index))


def thickened(matrices: Matrices) -> Matrices:
    """Give matrices that flatten to zero a thickness of some millionths of their size.

    Other matrices stay the same. Renderers invert matrices, and the two sides of a perfectly flat object
    shadow each other.

    Parameters
    ----------
    matrices : (n, 4, 4) float64
    """
    turns = matrices[:, :3, :3]
    bound = np.abs(turns).max((1, 2), initial=0.0) ** 3
    # this includes matrices that are thin in two directions
    flat = np.flatnonzero(np.abs(np.linalg.det(turns)) <= 9 * _FLATTEST * bound)
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
    """Replace the world matrices of the nodes that have a pose."""
    for node in poses.keys() & set(nodes.tolist()) if poses else ():
        world[node] = poses[node]


def _rotation(node: schema.Node) -> Matrices:
    """Return the rotation of a node, or the one nearest to its matrix, (3, 3)."""
    if node.matrix is None:
        quaternion = np.array([node.rotation or (0, 0, 0, 1)], float)
        unit = np.array([[1.0, 1.0, 1.0]])
        return trs_matrices(0 * unit, quaternion / np.linalg.norm(quaternion), unit)[0, :3, :3]
    return _turn_of(np.reshape(node.matrix, (4, 4)).T)


def _turn_of(matrix: Matrices) -> Matrices:
    """Return the rotation nearest to a (4, 4) matrix, (3, 3). A mirroring matrix keeps its z axis."""
    matrix = matrix[:3, :3]
    if np.linalg.det(matrix) < 0:
        matrix = matrix * (-1.0, 1.0, 1.0)
    left, _, right = np.linalg.svd(matrix)
    left[:, -1] *= np.sign(np.linalg.det(left @ right))  # for a flat matrix, both signs would be possible
    return left @ right


def scene_roots(document: schema.Document) -> list[int]:
    """Return the root nodes of the default scene. Without any scene, these are the nodes without a parent."""
    if not document.scenes:
        below = {child for node in document.nodes for child in node.children or ()}
        return [index for index in range(len(document.nodes)) if index not in below]
    number = document.scene or 0
    roots = document.scenes[number].nodes or []
    if len(set(roots)) < len(roots):
        raise SceneError("a node is listed twice", f"$.scenes[{number}].nodes")
    return roots


def _check_new(level: Sequence[int], above: Sequence[int], reached: Container[int]) -> None:
    """Check that no node is visited twice: it would have two parents, or be its own ancestor."""
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
    """Return an array of (n, k) numbers, in which empty or missing vectors have a default value."""
    vectors = np.tile(np.array(otherwise, float), (len(values), 1))
    given = [place for place, value in enumerate(values) if value]
    if given:
        vectors[given] = np.array([values[place] for place in given], float)
    return vectors
