"""Where the primitives of a document stand, in the pose that its nodes, skins and morph targets give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import ask_time
from ..scene import Instances, Placements, Primitive
from . import schema
from .content import Content
from .drawn import Drawn
from .graph import Graph, thickened
from .instancing import instance_matrices
from .materials import is_of_drake
from .skins import Pose, check_weights, is_skinned, read_pose

__all__ = ["place"]

_LARGEST_WEIGHT = 100  # of a morph target

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
        A skin, a weight or an instance is not possible.
    """
    return _Placing(content, drawn, graph, warnings).place()


class _Placing:
    def __init__(self, content: Content, drawn: Drawn, graph: Graph, warnings: list[str]) -> None:
        self._document = content.source
        self._buffers = content.buffers
        self._drawn = drawn
        self._graph = graph
        self._warnings = warnings
        self._numbers: dict[Primitive, int] = {}
        self._poses: dict[int, Pose] = {}
        self._plain: dict[int, list[Primitive]] = {}  # of meshes whose nodes neither morph nor bend them

    def place(self) -> tuple[tuple[Primitive, ...], Placements, Instances]:
        placed: list[int] = []
        matrices: list[Matrix] = []
        whose: list[NDArray[np.intp]] = []
        nodes: list[int] = []
        worlds: list[Matrix] = []
        for index in self._drawn.nodes:
            ask_time()
            surfaces = self._surfaces(index)
            if not surfaces:
                continue
            copies = instance_matrices(self._document, self._buffers, index, self._graph.world[index])
            numbers = np.arange(len(nodes), len(nodes) + len(copies))
            nodes += [index] * len(copies)
            worlds.append(copies)
            for primitive in surfaces:
                places = self._places(primitive, index, copies)
                placed += [self._numbers.setdefault(primitive, len(self._numbers))] * len(places)
                matrices.append(places)
                whose.append(numbers[: len(places)])
        placements = Placements(
            np.array(placed, np.intp),
            thickened(_joined(matrices)),
            np.concatenate([np.empty(0, np.intp), *whose]),
        )
        return tuple(self._numbers), placements, Instances(np.array(nodes, np.intp), _joined(worlds))

    def _surfaces(self, index: int) -> list[Primitive]:
        node = self._document.nodes[index]
        mesh = node.mesh or 0
        if node.skin is None and not node.weights:
            if mesh not in self._plain:
                self._plain[mesh] = list(self._primitives(index, None))
            return self._plain[mesh]
        return list(self._primitives(index, self._pose(node.skin)))

    def _pose(self, skin: int | None) -> Pose | None:
        if skin is None:
            return None
        if skin not in self._poses:
            self._poses[skin] = read_pose(self._document, self._buffers, self._graph, skin)
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
        document, buffers = self._document, self._buffers
        is_drakes = is_of_drake(document.asset.generator)
        mesh = document.nodes[index].mesh or 0
        for number in self._drawn.surfaces[mesh]:
            primitive = document.meshes[mesh].primitives[number]
            has_normals = "NORMAL" in primitive.attributes
            is_posed = pose is not None and is_skinned(primitive)
            if pose is not None and is_posed:
                where = f"$.meshes[{mesh}].primitives[{number}].attributes"
                check_weights(document, buffers, primitive, len(pose.joints), where)
            yield Primitive(
                mesh,
                number,
                primitive.material,
                has_normals,
                is_smoothed=is_drakes and not has_normals,
                weights=_weights(document, index, mesh, primitive),
                pose=pose.joints.tobytes() if pose is not None and is_posed else b"",
            )


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
