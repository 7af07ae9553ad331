"""Computes the placements of a document's primitives, in the pose given by nodes, skins and morph targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import MOST_WEIGHTS, ask_time
from ..scene import Instances, Placements, Primitive
from . import schema
from .content import Content
from .drawn import Drawn
from .geometry import read_attribute
from .graph import FARTHEST_M, Graph, Hierarchy, thickened
from .instancing import Copies, CopiesBuilder
from .materials import is_of_drake
from .skins import Pose, check_weights, is_skinned, largest_joints, read_pose

__all__ = ["ONE_OBJECT", "Arrangement"]

_LARGEST_WEIGHT = 100  # limit for the weight of a morph target
ONE_OBJECT = "instance"
"""The key in a node's extras that makes the node with all its descendants one object."""

_MOST_JOINTS = 200_000  # limit for the joints of all drawn skins; each takes about 300 bytes

_WHOLE = -1

Matrix = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What a document draws and the objects that the parts belong to, independent of the nodes' transforms.

    Attributes
    ----------
    primitives : tuple of Primitive
        The distinct primitives that are drawn.
    primitive, copy, instance : (n,) int
        For each placement, the index of its primitive, of its copy of a node's mesh, and of its object.
    copies : Copies
    objects : Objects
    posed : (m,) int
        The placements whose position comes from a skin instead of a node.
    origins : (m, 4, 4) float64
        The world matrices of these placements.
    warnings : tuple of str
        Messages about what is not drawn as intended.
    is_posed : bool
        Whether a skin is involved. If so, the arrangement is valid for one pose only.
    """

    primitives: tuple[Primitive, ...]
    primitive: Indices
    copy: Indices
    instance: Indices
    copies: Copies
    objects: Objects
    posed: Indices
    origins: Matrix
    warnings: tuple[str, ...]
    is_posed: bool

    @classmethod
    def of(cls, content: Content, drawn: Drawn, graph: Graph) -> Arrangement:
        """Find what is drawn, and which objects the parts belong to.

        Parameters
        ----------
        content : Content
        drawn : Drawn
            The parts of the document that are drawn.
        graph : Graph
            The world matrices, which are needed for the joints of skins.

        Raises
        ------
        SceneError
            A skin, a weight or an instance is invalid, or there are too many joints or weights.
        """
        return _Arranging(content, drawn, graph).arrangement()

    def placed(self, graph: Graph) -> tuple[Placements, Instances]:
        """Return the placements and the instances in the world.

        Raises
        ------
        SceneError
            An instance is too far away.
        """
        copies = self.copies.matrices(graph)
        matrices = copies[self.copy]
        matrices[self.posed] = self.origins
        placements = Placements(self.primitive, thickened(matrices), self.instance)
        return placements, Instances(self.objects.node, self.objects.matrices(graph, copies))


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a scene, independent of the nodes' transforms.

    Attributes
    ----------
    node : (k,) int
        The node of each object.
    copy : (k,) int
        The copy of the node's mesh that forms the object; -1 if the object is the node with all its
        descendants.
    """

    node: Indices
    copy: Indices

    def matrices(self, graph: Graph, copies: Matrix) -> Matrix:
        """Return the world matrices of the objects, (k, 4, 4), given those of the copies."""
        matrices = graph.world[self.node]
        is_copy = self.copy >= 0
        matrices[is_copy] = copies[self.copy[is_copy]]
        return matrices


class _Arranging:
    def __init__(self, content: Content, drawn: Drawn, graph: Graph) -> None:
        self._content = content
        self._document = content.source
        self._buffers = content.buffers
        self._drawn = drawn
        self._graph = graph
        self._warnings: list[str] = []
        self._numbers: dict[Primitive, int] = {}
        self._poses: dict[int, Pose] = {}
        self._joints = self._weights = 0
        self._made: dict[tuple[int, int | None, tuple[float, ...]], list[Primitive]] = {}
        self._origins: dict[int, Matrix] = {}

    def arrangement(self) -> Arrangement:
        primitives: list[int] = []
        copy: list[int] = []
        instance: list[int] = []
        copies = CopiesBuilder(self._document, self._buffers)
        objects = _ObjectsBuilder(self._document, self._graph.hierarchy)
        for index in self._drawn.nodes:
            ask_time()
            surfaces = self._surfaces(index)
            if not surfaces:
                continue
            posed = [self._is_placed_by_skin(primitive, index) for primitive in surfaces]
            own = copies.add_once(index) if all(posed) else copies.add(index)
            numbers = objects.numbers(index, own)
            for primitive, is_posed in zip(surfaces, posed, strict=True):
                count = len(own)
                if is_posed:
                    self._origins[len(primitives)] = self._poses[self._document.nodes[index].skin or 0].origin
                    count = 1
                primitives += [self._numbers.setdefault(primitive, len(self._numbers))] * count
                copy += own[:count]
                instance += numbers[:count]
        return Arrangement(
            primitives=tuple(self._numbers),
            primitive=np.array(primitives, np.intp),
            copy=np.array(copy, np.intp),
            instance=np.array(instance, np.intp),
            copies=copies.copies(),
            objects=objects.objects(),
            posed=np.array([*self._origins], np.intp),
            origins=np.array([*self._origins.values()]).reshape(-1, 4, 4),
            warnings=tuple(self._warnings),
            is_posed=bool(self._poses),
        )

    def _surfaces(self, index: int) -> list[Primitive]:
        """Return the primitives that a node draws. Nodes that deform a mesh in the same way share them."""
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

    def _is_placed_by_skin(self, primitive: Primitive, node: int) -> bool:
        """Return whether a skin determines the position of a primitive, instead of its node."""
        if self._document.nodes[node].skin is None:
            return False
        if not primitive.pose:
            self._warnings.append(f"nodes[{node}]: its mesh has no joints; drawn without its skin")
        return bool(primitive.pose)

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
        """Check that the skin has all joints to which a primitive refers.

        These were determined beforehand.
        """
        source, known = self._document.meshes[mesh].primitives[number], self._drawn.joints
        where = f"$.meshes[{mesh}].primitives[{number}].attributes"
        if (mesh, number) not in known:
            check_weights(self._document, source, where)
            known[mesh, number] = largest_joints(self._document, self._buffers, source, where)
        for place, largest in enumerate(known[mesh, number]):
            if largest >= count:
                raise SceneError(f"names joint {largest} of {count}", f"{where}.JOINTS_{place}")

    def _check_reach(self, primitive: Primitive, source: schema.Primitive, pose: Pose | None) -> None:
        """Check that no vertex moves too far.

        The vertices are only examined if a bound does not rule that out.
        """
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


class _ObjectsBuilder:
    """Numbers the objects.

    Each copy of a node's mesh is an object, unless an ancestor is marked as one object.

    A node whose ``extras`` have ``"instance": true`` forms one object with all its descendants, whatever the
    extras of the descendants say.
    """

    def __init__(self, document: schema.Document, hierarchy: Hierarchy) -> None:
        self._hierarchy = hierarchy
        self._wholes = {index for index in hierarchy.order if _is_whole(document.nodes[index])}
        self._of_wholes: dict[int, int] = {}
        self._nodes: list[int] = []
        self._copies: list[int] = []

    def numbers(self, node: int, copies: Sequence[int]) -> Sequence[int]:
        """Return the object of each copy of a node's mesh."""
        whole = self._whole(node)
        if whole is None:
            return self._add(node, copies)
        if whole not in self._of_wholes:
            [self._of_wholes[whole]] = self._add(whole, [_WHOLE])
        return [self._of_wholes[whole]] * len(copies)

    def objects(self) -> Objects:
        """Return the objects that were numbered."""
        return Objects(np.array(self._nodes, np.intp), np.array(self._copies, np.intp))

    def _add(self, node: int, copies: Sequence[int]) -> Sequence[int]:
        first = len(self._nodes)
        self._nodes += [node] * len(copies)
        self._copies += copies
        return range(first, len(self._nodes))

    def _whole(self, node: int) -> int | None:
        """Return the topmost node that is marked as one object, among a node and its ancestors."""
        if not self._wholes:
            return None
        found: int | None = None
        above: int | None = node
        while above is not None:
            found = above if above in self._wholes else found
            above = self._hierarchy.parents.get(above)
        return found


def _is_whole(node: schema.Node) -> bool:
    return isinstance(node.extras, dict) and node.extras.get(ONE_OBJECT) is True


def _weights(
    document: schema.Document, node: int, mesh: int, primitive: schema.Primitive
) -> tuple[float, ...]:
    """Return the weights of a primitive's morph targets: those of the node, else of the mesh, else zeros."""
    count = len(primitive.targets or ())
    own, shared = document.nodes[node].weights, document.meshes[mesh].weights
    weights = own or shared or [0.0] * count
    if count and len(weights) != count:
        where = f"$.nodes[{node}].weights" if own else f"$.meshes[{mesh}].weights"
        raise SceneError(f"{len(weights)} weights for {count} morph targets", where)
    if any(abs(weight) > _LARGEST_WEIGHT for weight in weights[:count]):
        raise SceneError(f"a morph target weighs more than {_LARGEST_WEIGHT}", f"$.meshes[{mesh}]")
    return tuple(weights[:count])
