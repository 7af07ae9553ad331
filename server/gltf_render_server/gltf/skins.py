"""Skins: where the joints are, and the vertices that they move, by linear blend skinning.

Source: the glTF 2.0 specification, section 3.7.3.3: a skinned mesh stands where its joints are, and the
transform of its own node has no say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from . import schema
from .decoding import schema_error
from .graph import Graph, check_reach
from .resources import Data, read_accessor, read_values

__all__ = [
    "Pose",
    "check_weights",
    "is_skinned",
    "moved_normals",
    "moved_points",
    "read_pose",
    "read_weights",
]

_FLOAT = 5126
_JOINT_TYPES = {5121, 5123}
_AT_ONCE = 65536  # vertices

Matrices = NDArray[np.float64]
Weights = list[tuple[NDArray[np.intp], NDArray[np.float64]]]
"""Four joints of each vertex, (n, 4), and how much each counts, (n, 4)."""


@dataclass(frozen=True)
class Pose:
    """Where a skin's joints are.

    Attributes
    ----------
    origin : (4, 4) float64
        A place near the skin, in the world; a translation.
    joints : (n, 4, 4) float64
        From the mesh, as each joint holds it, to the origin.
    """

    origin: Matrices
    joints: Matrices


def read_pose(document: schema.Document, buffers: Sequence[Data], graph: Graph, skin: int) -> Pose:
    """Read how a skin is posed by the nodes that are its joints.

    Raises
    ------
    SceneError
        A joint or an inverse bind matrix is not there, or beyond all bounds.
    """
    where = f"$.skins[{skin}]"
    source = _convert(document.skins[skin], where)
    for joint in source.joints:
        if joint >= len(document.nodes):
            raise SceneError(f"there is no node {joint}", f"{where}.joints")
    world = graph.world[source.joints]
    origin = np.eye(4)
    origin[:3, 3] = world[0, :3, 3]
    joints = world @ _inverse_bind_matrices(document, buffers, source, where)
    check_reach(joints, [f"{where}.joints"] * len(joints))
    joints[:, :3, 3] -= origin[:3, 3]
    return Pose(origin, joints)


def is_skinned(primitive: schema.Primitive) -> bool:
    """Whether a primitive says which joints move its vertices."""
    return {"JOINTS_0", "WEIGHTS_0"} <= primitive.attributes.keys()


def check_weights(
    document: schema.Document,
    buffers: Sequence[Data],
    primitive: schema.Primitive,
    joint_count: int,
    where: str,
) -> None:
    """Check that what moves a primitive's vertices is there.

    Raises
    ------
    SceneError
        An accessor has the wrong type for its use, or names a joint that the skin does not have.
    """
    for number in _sets(primitive):
        joints = document.accessors[primitive.attributes[f"JOINTS_{number}"]]
        weights = document.accessors[primitive.attributes[f"WEIGHTS_{number}"]]
        if joints.type != "VEC4" or joints.component_type not in _JOINT_TYPES:
            raise SceneError("must be VEC4 of unsigned bytes or shorts", f"{where}.JOINTS_{number}")
        if weights.type != "VEC4" or not (weights.component_type == _FLOAT or weights.normalized):
            raise SceneError("must be VEC4 of floats or normalized integers", f"{where}.WEIGHTS_{number}")
    for number, (joints, weights) in zip(
        _sets(primitive), read_weights(document, buffers, primitive), strict=True
    ):
        if not np.isfinite(weights).all():
            raise SceneError("a weight is not finite", f"{where}.WEIGHTS_{number}")
        if (largest := int(joints[weights > 0].max(initial=0))) >= joint_count:
            raise SceneError(f"names joint {largest} of {joint_count}", f"{where}.JOINTS_{number}")


def read_weights(document: schema.Document, buffers: Sequence[Data], primitive: schema.Primitive) -> Weights:
    """Read all sets of joints and weights."""
    return [
        (
            read_accessor(document, buffers, primitive.attributes[f"JOINTS_{number}"]).astype(np.intp),
            read_values(document, buffers, primitive.attributes[f"WEIGHTS_{number}"]).astype(float).clip(0),
        )
        for number in _sets(primitive)
    ]


def moved_points(points: NDArray[np.float32], joints: Matrices, weights: Weights) -> NDArray[np.float32]:
    """Move points, (n, 3), by joints, (k, 4, 4)."""
    moved = np.empty_like(points)
    for some in _parts(len(points)):
        blended = _blended(joints, weights, some)
        moved[some] = np.einsum("nij,nj->ni", blended[:, :, :3], points[some]) + blended[:, :, 3]
    return moved


def moved_normals(normals: NDArray[np.float32], joints: Matrices, weights: Weights) -> NDArray[np.float32]:
    """Turn normals, (n, 3), as the surface turns; cofactors do it for every matrix."""
    moved = np.empty_like(normals)
    for some in _parts(len(normals)):
        x, y, z = np.moveaxis(_blended(joints, weights, some)[:, :, :3], 2, 0)
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
    """Return those of a skin, (number of joints, 4, 4); without any, they are identities."""
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
    matrices[:, 3] = (0.0, 0.0, 0.0, 1.0)  # but for rounding
    check_reach(matrices, [where] * wanted)
    return matrices


def _sets(primitive: schema.Primitive) -> list[int]:
    numbers = []
    for number in count():
        if not {f"JOINTS_{number}", f"WEIGHTS_{number}"} <= primitive.attributes.keys():
            return numbers
        numbers.append(number)
    return numbers


def _parts(length: int) -> list[slice]:
    """Divide vertices into as many as are moved at once, for each takes a matrix."""
    return [slice(begin, begin + _AT_ONCE) for begin in range(0, length, _AT_ONCE)]


def _blended(joints: Matrices, weights: Weights, some: slice) -> Matrices:
    """Return the matrix of each of some vertices, (n, 3, 4): the mean of its joints'."""
    total = sum(share[some].sum(1) for _, share in weights)
    first, _ = weights[0]
    blended = np.zeros((len(first[some]), 3, 4))
    for names, share in weights:
        for column in range(4):
            counted = share[some, column] > 0
            part = share[some, column][counted, None, None] * joints[names[some, column][counted], :3]
            blended[counted] += part
    with np.errstate(divide="ignore", invalid="ignore"):
        blended /= np.asarray(total)[:, None, None]
    unmoved = np.asarray(total) <= 0
    blended[unmoved] = joints[first[some, 0][unmoved].clip(max=len(joints) - 1), :3]
    return blended
