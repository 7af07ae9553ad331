"""Skins: the poses of their joints, and linear blend skinning of the vertices.

Source: the glTF 2.0 specification, section 3.7.3.3. The position of a skinned mesh depends on its joints
only, and the transform of its own node is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import ask_time
from . import schema
from .decoding import schema_error
from .graph import Graph, check_reach
from .resources import Data, Numbers, as_values, read_accessor, read_values

__all__ = [
    "MOST_SETS",
    "Pose",
    "Weights",
    "check_weights",
    "is_skinned",
    "largest_joints",
    "moved_normals",
    "moved_points",
    "read_pose",
    "read_weights",
    "set_count",
]

MOST_SETS = 4
"""The number of sets of joints and weights that are used. Viewers must support only one set, and exporters
write the most important joints first."""

_FLOAT = 5126
_JOINT_TYPES = {5121, 5123}
_AT_ONCE = 65536  # vertices that are transformed together
_MOST_JOINTS = 65536  # joints of a skin; the indices of a vertex cannot exceed this

Matrices = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """The pose of a skin's joints.

    Attributes
    ----------
    origin : (4, 4) float64
        A reference point near the skin, in the world; a pure translation.
    joints : (n, 4, 4) float64
        The matrices from the mesh, in its bind pose, to the reference point.
    """

    origin: Matrices
    joints: Matrices

    @cached_property
    def data(self) -> bytes:
        """The bytes of `joints`. All primitives of the skin share them."""
        return self.joints.tobytes()

    def reach(self, distance: float) -> float:
        """Return a bound of the coordinates of moved points that were within a distance of the origin."""
        turn, shift = self._growth
        return turn * distance + shift

    @cached_property
    def _growth(self) -> tuple[float, float]:
        parts = np.abs(self.joints[:, :3])
        return float(parts[:, :, :3].sum(2).max()), float(parts[:, :, 3].max())


@dataclass(frozen=True)
class Weights:
    """A set of four joints and their weights for each vertex, in the types of the accessors.

    Attributes
    ----------
    joints, weights : (n, 4) array
    accessor : schema.Accessor
        The accessor of the weights.
    """

    joints: Numbers
    weights: Numbers
    accessor: schema.Accessor

    def of(self, some: slice) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the joints and the weights of some vertices."""
        weights = as_values(self.weights[some], self.accessor)
        return self.joints[some].astype(np.intp), weights.astype(float).clip(0)

    def every(self, step: int) -> Weights:
        """Return the joints and weights of every `step`-th vertex."""
        return Weights(self.joints[::step], self.weights[::step], self.accessor)


def read_pose(document: schema.Document, buffers: Sequence[Data], graph: Graph, skin: int) -> Pose:
    """Read the pose of a skin from the nodes that are its joints.

    Raises
    ------
    SceneError
        A joint or an inverse bind matrix is missing or too large, or there are too many joints.
    """
    where = f"$.skins[{skin}]"
    source = _convert(document.skins[skin], where)
    if len(source.joints) > _MOST_JOINTS:
        raise SceneError(f"has more than {_MOST_JOINTS} joints", f"{where}.joints")
    for joint in source.joints:
        if joint >= len(document.nodes):
            raise SceneError(f"there is no node {joint}", f"{where}.joints")
    world = graph.world[source.joints]
    origin = np.eye(4)
    origin[:3, 3] = world[0, :3, 3]
    joints = world @ _inverse_bind_matrices(document, buffers, source, where)
    check_reach(joints, lambda _: f"{where}.joints")
    joints[:, :3, 3] -= origin[:3, 3]
    return Pose(origin, joints)


def is_skinned(primitive: schema.Primitive) -> bool:
    """Return whether a primitive has joints for its vertices."""
    return {"JOINTS_0", "WEIGHTS_0"} <= primitive.attributes.keys()


def check_weights(document: schema.Document, primitive: schema.Primitive, where: str) -> None:
    """Check that the accessors of a primitive's joints and weights have valid types.

    Raises
    ------
    SceneError
        An accessor has an invalid type.
    """
    for number in _sets(primitive):
        joints = document.accessors[primitive.attributes[f"JOINTS_{number}"]]
        weights = document.accessors[primitive.attributes[f"WEIGHTS_{number}"]]
        if joints.type != "VEC4" or joints.component_type not in _JOINT_TYPES:
            raise SceneError("must be VEC4 of unsigned bytes or shorts", f"{where}.JOINTS_{number}")
        if weights.type != "VEC4" or not (weights.component_type == _FLOAT or weights.normalized):
            raise SceneError("must be VEC4 of floats or normalized integers", f"{where}.WEIGHTS_{number}")


def largest_joints(
    document: schema.Document, buffers: Sequence[Data], primitive: schema.Primitive, where: str
) -> tuple[int, ...]:
    """Return the largest joint index in each set of a primitive, ignoring joints without weight.

    Raises
    ------
    SceneError
        A weight is not finite.
    """
    found: list[int] = []
    for number, weights in enumerate(read_weights(document, buffers, primitive)):
        largest = 0
        for some in _parts(len(weights.joints)):
            ask_time()
            joints, shares = weights.of(some)
            if not np.isfinite(shares).all():
                raise SceneError("a weight is not finite", f"{where}.WEIGHTS_{number}")
            largest = max(largest, int(joints[shares > 0].max(initial=0)))
        found.append(largest)
    return tuple(found)


def set_count(primitive: schema.Primitive) -> int:
    """Return the number of sets of joints and weights of a primitive."""
    names = primitive.attributes.keys()
    return next(number for number in count() if not {f"JOINTS_{number}", f"WEIGHTS_{number}"} <= names)


def read_weights(
    document: schema.Document, buffers: Sequence[Data], primitive: schema.Primitive
) -> list[Weights]:
    """Read the sets of joints and weights, at most `MOST_SETS`."""
    return [
        Weights(
            read_accessor(document, buffers, primitive.attributes[f"JOINTS_{number}"]),
            read_accessor(document, buffers, index := primitive.attributes[f"WEIGHTS_{number}"]),
            document.accessors[index],
        )
        for number in _sets(primitive)
    ]


def moved_points(
    points: NDArray[np.float32], joints: Matrices, sets: Sequence[Weights]
) -> NDArray[np.float32]:
    """Transform points, (n, 3), by joints, (k, 4, 4)."""
    moved = np.empty_like(points)
    for some in _parts(len(points)):
        blended = _blended(joints, sets, some)
        moved[some] = np.einsum("nij,nj->ni", blended[:, :, :3], points[some]) + blended[:, :, 3]
    return moved


def moved_normals(
    normals: NDArray[np.float32], joints: Matrices, sets: Sequence[Weights]
) -> NDArray[np.float32]:
    """Transform normals, (n, 3), with the surface. Cofactor matrices work for every matrix."""
    moved = np.empty_like(normals)
    for some in _parts(len(normals)):
        x, y, z = np.moveaxis(_blended(joints, sets, some)[:, :, :3], 2, 0)
        side = np.where(np.einsum("ni,ni->n", np.cross(x, y), z) < 0, -1.0, 1.0)[:, None]
        cofactors = np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)], 2)
        turned = side * np.einsum("nij,nj->ni", cofactors, normals[some])
        moved[some] = turned / np.linalg.norm(turned, axis=1, keepdims=True).clip(1e-300)
    return moved


def _convert(skin: dict[str, object], where: str) -> schema.Skin:
    try:
        return msgspec.convert(skin, schema.Skin)
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None


def _inverse_bind_matrices(
    document: schema.Document, buffers: Sequence[Data], skin: schema.Skin, where: str
) -> Matrices:
    """Return the inverse bind matrices of a skin, (number of joints, 4, 4); identities by default."""
    index, wanted = skin.inverse_bind_matrices, len(skin.joints)
    if index is None:
        return np.broadcast_to(np.eye(4), (wanted, 4, 4))
    where = f"{where}.inverseBindMatrices"
    if index >= len(document.accessors):
        raise SceneError(f"there is no accessor {index}", where)
    accessor = document.accessors[index]
    if accessor.type != "MAT4" or accessor.component_type != _FLOAT or accessor.count < wanted:
        raise SceneError(f"must be {wanted} MAT4 of floats", where)
    columns = read_values(document, buffers, index)[:wanted].astype(float).reshape(-1, 4, 4)
    matrices = columns.transpose(0, 2, 1).copy()
    matrices[:, 3] = (0.0, 0.0, 0.0, 1.0)  # corrects rounding errors
    check_reach(matrices, lambda _: where)
    return matrices


def _sets(primitive: schema.Primitive) -> range:
    return range(min(set_count(primitive), MOST_SETS))


def _parts(length: int) -> list[slice]:
    """Divide vertices into parts that are transformed together, because each vertex needs its own matrix."""
    return [slice(begin, begin + _AT_ONCE) for begin in range(0, length, _AT_ONCE)]


def _blended(joints: Matrices, sets: Sequence[Weights], some: slice) -> Matrices:
    """Return the weighted mean of the joints' matrices for each of some vertices, (n, 3, 4)."""
    first = sets[0].joints[some, 0].astype(np.intp)
    blended = np.zeros((len(first), 3, 4))
    total = np.zeros(len(first))
    for weights in sets:
        names, shares = weights.of(some)
        total += shares.sum(1)
        for column in range(4):
            counted = shares[:, column] > 0
            part = shares[:, column][counted, None, None] * joints[names[:, column][counted], :3]
            blended[counted] += part
    with np.errstate(divide="ignore", invalid="ignore"):
        blended /= total[:, None, None]
    unmoved = total <= 0
    blended[unmoved] = joints[first[unmoved].clip(max=len(joints) - 1), :3]
    return blended
