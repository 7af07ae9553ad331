"""Where the primitives of a document stand, in the pose that its nodes, skins and morph targets give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import MOST_WEIGHTS, ask_time
from ..scene import Instances, Placements, Primitive
from . import schema
from .content import Content
from .drawn import Drawn
from .geometry import read_attribute
from .graph import FARTHEST_M, Graph, thickened
from .instancing import instance_matrices
from .materials import is_of_drake
from .skins import Pose, check_weights, is_skinned, largest_joints, read_pose

__all__ = ["ONE_OBJECT", "place"]

_LARGEST_WEIGHT = 100  # of a morph target
ONE_OBJECT = "instance"
"""What is true in the extras of a node that is one object with all that is below it."""

_MOST_JOINTS = 200_000  # of all skins that are drawn; each takes about 300 bytes

Matrix = NDArray[np.float64]


def place(
    content: Content, drawn: Drawn, graph: Graph, warnings: list[str]
) -> tuple[tuple[Primitive, ...], Placements, Instances]:
    """Find the primitives of a document, where they stand, and what objects they are parts of.

    Parameters
    ----------
    content : Content
    drawn : Drawn
        What of it is drawn.
    graph : Graph
    warnings : list of str
        What is not drawn as it is meant is added.

    Raises
    ------
    SceneError
        A skin, a weight or an instance is not possible, or there are too many joints or weights.
    """
    return _Placing(content, drawn, graph, warnings).place()


class _Placing:
    def __init__(self, content: Content, drawn: Drawn, graph: Graph, warnings: list[str]) -> None:
        self._content = content
        self._document = content.source
        self._buffers = content.buffers
        self._drawn = drawn
        self._graph = graph
        self._warnings = warnings
        self._numbers: dict[Primitive, int] = {}
        self._poses: dict[int, Pose] = {}
        self._joints = self._weights = 0
        self._made: dict[tuple[int, int | None, tuple[float, ...]], list[Primitive]] = {}

    def place(self) -> tuple[tuple[Primitive, ...], Placements, Instances]:
        placed: list[int] = []
        matrices: list[Matrix] = []
        whose: list[NDArray[np.intp]] = []
        objects = _Objects(self._document, self._graph)
        for index in self._drawn.nodes:
            ask_time()
            surfaces = self._surfaces(index)
            if not surfaces:
                continue
            copies = instance_matrices(self._document, self._buffers, index, self._graph.world[index])
            numbers = objects.numbers(index, copies)
            for primitive in surfaces:
                ask_time()
                places = self._places(primitive, index, copies)
                placed += [self._numbers.setdefault(primitive, len(self._numbers))] * len(places)
                matrices.append(places)
                whose.append(numbers[: len(places)])
        placements = Placements(
            np.array(placed, np.intp),
            thickened(_joined(matrices)),
            np.concatenate([np.empty(0, np.intp), *whose]),
        )
        return tuple(self._numbers), placements, objects.instances()

    def _surfaces(self, index: int) -> list[Primitive]:
        """Return what a node draws; nodes that pose and morph a mesh alike share it."""
        node = self._document.nodes[index]
        key = (node.mesh or 0, node.skin, tuple(node.weights or ()))
        if key not in self._made:
            self._made[key] = list(self._primitives(index, self._pose(node.skin)))
        return self._made[key]

    def _pose(self, skin: int | None) -> Pose | None:
        if skin is None:
            return None
        if skin not in self._poses:
            pose = self._poses[skin] = read_pose(self._document, self._buffers, self._graph, skin)
            self._joints += len(pose.joints)
            if self._joints > _MOST_JOINTS:
                raise SceneError(f"are posed by more than {_MOST_JOINTS} joints", "$.skins")
        return self._poses[skin]

    def _places(self, primitive: Primitive, node: int, copies: Matrix) -> Matrix:
        """Return where a primitive of a node stands, (n, 4, 4); a skin overrules the node."""
        pose = self._pose(self._document.nodes[node].skin)
        if pose is None:
            return copies
        if primitive.pose:
            return pose.origin[None]
        self._warnings.append(f"nodes[{node}]: its mesh has no joints; drawn without its skin")
        return copies

    def _primitives(self, index: int, pose: Pose | None) -> Iterator[Primitive]:
        document = self._document
        is_drakes = is_of_drake(document.asset.generator)
        mesh = document.nodes[index].mesh or 0
        for number in self._drawn.surfaces[mesh]:
            ask_time()
            source = document.meshes[mesh].primitives[number]
            has_normals = "NORMAL" in source.attributes
            is_posed = pose is not None and is_skinned(source)
            if pose is not None and is_posed:
                self._check_joints(mesh, number, len(pose.joints))
            weights = _weights(document, index, mesh, source)
            self._weights += len(weights)
            if self._weights > MOST_WEIGHTS:
                raise SceneError(f"have more than {MOST_WEIGHTS} weights of morph targets", "$.nodes")
            primitive = Primitive(
                mesh,
                number,
                source.material,
                has_normals,
                is_smoothed=is_drakes and not has_normals,
                weights=weights,
                pose=pose.data if pose is not None and is_posed else b"",
            )
            self._check_reach(primitive, source, pose if is_posed else None)
            yield primitive

    def _check_joints(self, mesh: int, number: int, count: int) -> None:
        """Check that the skin has all the joints that a primitive names; what it names is looked up once."""
        source, known = self._document.meshes[mesh].primitives[number], self._drawn.joints
        where = f"$.meshes[{mesh}].primitives[{number}].attributes"
        if (mesh, number) not in known:
            check_weights(self._document, source, where)
            known[mesh, number] = largest_joints(self._document, self._buffers, source, where)
        for place, largest in enumerate(known[mesh, number]):
            if largest >= count:
                raise SceneError(f"names joint {largest} of {count}", f"{where}.JOINTS_{place}")

    def _check_reach(self, primitive: Primitive, source: schema.Primitive, pose: Pose | None) -> None:
        """Check that no vertex is moved too far; all are looked at only where one may be."""
        if pose is None and not any(primitive.weights):
            return
        reach = self._drawn.reach[source.attributes["POSITION"]]
        for weight, target in zip(primitive.weights, source.targets or (), strict=True):
            if "POSITION" in target:
                reach += abs(weight) * self._drawn.reach[target["POSITION"]]
        if (reach if pose is None else pose.reach(reach)) < FARTHEST_M:
            return
        if not np.abs(read_attribute(self._content, primitive, "POSITION")).max() < FARTHEST_M:
            where = f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]"
            raise SceneError(f"its pose moves a position beyond {FARTHEST_M:g}", where)


class _Objects:
    """Numbers the objects: each copy of a node's mesh is one, or all below a node whose author says so.

    A node whose ``extras`` have ``"instance": true`` is one object with all that is below it, whatever that
    says of itself.
    """

    def __init__(self, document: schema.Document, graph: Graph) -> None:
        self._graph = graph
        self._wholes = {index for index in graph.order if _is_whole(document.nodes[index])}
        self._of_wholes: dict[int, int] = {}
        self._nodes: list[int] = []
        self._matrices: list[Matrix] = []

    def numbers(self, node: int, copies: Matrix) -> NDArray[np.intp]:
        """Return the object of each copy of a node's mesh, (n,)."""
        whole = self._whole(node)
        if whole is None:
            return self._add(node, copies)
        if whole not in self._of_wholes:
            [self._of_wholes[whole]] = self._add(whole, self._graph.world[whole][None])
        return np.full(len(copies), self._of_wholes[whole])

    def instances(self) -> Instances:
        """Return what was numbered."""
        return Instances(np.array(self._nodes, np.intp), _joined(self._matrices))

    def _add(self, node: int, matrices: Matrix) -> NDArray[np.intp]:
        first = len(self._nodes)
        self._nodes += [node] * len(matrices)
        self._matrices.append(matrices)
        return np.arange(first, len(self._nodes))

    def _whole(self, node: int) -> int | None:
        """Return the uppermost node that is one object with all below it, this one included."""
        if not self._wholes:
            return None
        found, above = None, node
        while above is not None:
            found = above if above in self._wholes else found
            above = self._graph.above(above)
        return found


def _is_whole(node: schema.Node) -> bool:
    return isinstance(node.extras, dict) and node.extras.get(ONE_OBJECT) is True


def _joined(matrices: Sequence[Matrix]) -> Matrix:
    return np.concatenate(matrices) if matrices else np.empty((0, 4, 4))


def _weights(
    document: schema.Document, node: int, mesh: int, primitive: schema.Primitive
) -> tuple[float, ...]:
    """Return the weights of a primitive's morph targets: the node's, or else the mesh's, or else zeros."""
    count = len(primitive.targets or ())
    own, shared = document.nodes[node].weights, document.meshes[mesh].weights
    weights = own or shared or [0.0] * count
    if count and len(weights) != count:
        where = f"$.nodes[{node}].weights" if own else f"$.meshes[{mesh}].weights"
        raise SceneError(f"{len(weights)} weights for {count} morph targets", where)
    if any(abs(weight) > _LARGEST_WEIGHT for weight in weights[:count]):
        raise SceneError(f"a morph target weighs more than {_LARGEST_WEIGHT}", f"$.meshes[{mesh}]")
    return tuple(weights[:count])
