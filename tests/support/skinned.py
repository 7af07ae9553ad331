"""A skinned strip of a hundred vertices as glTF writes it, and where its vertices must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from drake_like import add_accessor, column_major, empty_document, look_at, translation
from numpy.typing import NDArray

CAMERA_POSE = look_at((0.4, -3.0, 0.6), (0, 0, 0.5))
NODE = np.array([[0, -3, 0, 5], [2, 0, 0, 1], [0, 0, 1, 2], [0, 0, 0, 1]], float)
"""The transform of the skinned node, which has no say."""


def turn_y(angle_rad: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[[0, 0, 2, 2], [0, 2, 0, 2]] = (
        np.cos(angle_rad),
        np.sin(angle_rad),
        -np.sin(angle_rad),
        np.cos(angle_rad),
    )
    return matrix


@dataclass
class Strip:
    """What the document says, as arrays.

    points, normals: (n, 3), as the file has them; joints: (n, 8); weights: (n, 8), rows sum up to 1;
    bind: (3, 4, 4), the inverse bind matrices; nodes: (3, 4, 4), where the joints are in the world.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    corners: NDArray[np.uint32]
    joints: NDArray[np.uint8]
    weights: NDArray[np.float32]
    bind: NDArray[np.float64]
    nodes: NDArray[np.float64]

    def posed(self) -> NDArray[np.float64]:
        """Where each vertex is in the world, (n, 3), from the formula of the specification, one by one."""
        out = []
        for point, joints, weights in zip(self.points, self.joints, self.weights, strict=True):
            matrix = sum(w * self.nodes[j] @ self.bind[j] for j, w in zip(joints, weights, strict=True))
            out.append((matrix @ [*point, 1])[:3])
        return np.array(out)


def strip() -> Strip:
    """A wavy strip along z that three joints bend, in the units and about the origin of another program."""
    u, v = np.meshgrid([-0.25, 0.25], np.linspace(0, 1, 50))
    points = np.stack([u, 0.05 * np.sin(9 * v), v], -1).reshape(-1, 3)
    normals = np.tile([0.0, -1.0, 0.0], (100, 1))
    a = 2 * np.arange(49)
    corners = np.concatenate([np.stack([a, a + 1, a + 2], -1), np.stack([a + 2, a + 1, a + 3], -1)])
    height = points[:, 2]
    shares = np.stack(
        [np.maximum(0, 1 - 2 * height), 1 - abs(2 * height - 1), np.maximum(0, 2 * height - 1)], 1
    )
    joints, weights = np.zeros((100, 8)), np.zeros((100, 8))
    joints[:, :2], joints[:, 4] = (2, 0), 1  # in any order, in two sets
    weights[:, :2], weights[:, 4] = shares[:, [2, 0]], shares[:, 1]
    rest = np.array([translation(0, 0, z) for z in (0, 0.5, 1)])
    unit = np.diag([100, 100, 100, 1.0]) @ translation(2, 0, 1)  # from the program's units, and back
    nodes = np.array(
        [turn_y(0.0), translation(0.1, 0, 0.5) @ turn_y(0.5), translation(0.4, 0.1, 0.8) @ turn_y(1.3)]
    )
    return Strip(
        (points @ unit[:3, :3].T + unit[:3, 3]).astype(np.float32),
        normals.astype(np.float32),
        corners.astype(np.uint32),
        joints.astype(np.uint8),
        weights.astype(np.float32),
        np.linalg.inv(rest) @ np.linalg.inv(unit),
        nodes,
    )


def document(image_type: str = "color", *, kind: str = "float", has_normals: bool = True) -> dict[str, Any]:
    """Write the strip; `kind` is how its weights are stored."""
    made = strip()
    out = empty_document()
    out["asset"] = {"version": "2.0"}
    factor = [5 / 255, 0, 0, 1] if image_type == "label" else [0.8, 0.8, 0.8, 1]
    out["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": factor, "metallicFactor": 0}}]
    attributes = {"POSITION": add_accessor(out, made.points.astype("<f4"), "VEC3")}
    if has_normals:
        attributes["NORMAL"] = add_accessor(out, made.normals.astype("<f4"), "VEC3")
    for number in range(2):
        part = slice(4 * number, 4 * number + 4)
        attributes[f"JOINTS_{number}"] = add_accessor(out, made.joints[:, part].astype("<u2"), "VEC4")
        attributes[f"WEIGHTS_{number}"] = _weights(out, made.weights[:, part], kind)
    primitive = {
        "attributes": attributes,
        "indices": add_accessor(out, made.corners.reshape(-1).astype("<u4"), "SCALAR"),
        "material": 0,
    }
    out["meshes"] = [{"primitives": [primitive]}]
    bind = made.bind.transpose(0, 2, 1).reshape(-1, 16).astype("<f4")
    out["skins"] = [{"joints": [4, 2, 3], "inverseBindMatrices": add_accessor(out, bind, "MAT4")}]
    first, second, third = made.nodes
    out["nodes"] = [
        {"mesh": 0, "skin": 0, "matrix": column_major(NODE)},
        {"camera": 0, "matrix": column_major(CAMERA_POSE)},
        {"matrix": column_major(np.linalg.inv(first) @ second), "children": [3]},
        {"matrix": column_major(np.linalg.inv(second) @ third)},
        {"matrix": column_major(first), "children": [2]},
    ]
    out["scenes"][0]["nodes"] = [0, 1, 4]
    return out


def plain_document(image_type: str = "color") -> dict[str, Any]:
    """Write the same as a mesh without a skin, whose vertices are where they must be."""
    out = document(image_type, has_normals=False)
    primitive = out["meshes"][0]["primitives"][0]
    primitive["attributes"] = {"POSITION": add_accessor(out, strip().posed().astype("<f4"), "VEC3")}
    out["nodes"][0] = {"mesh": 0}
    del out["skins"]
    return out


def _weights(out: dict[str, Any], weights: NDArray[np.float32], kind: str) -> int:
    if kind == "float":
        return add_accessor(out, weights.astype("<f4"), "VEC4")
    if kind == "unnormalised":
        return add_accessor(out, (3 * weights).astype("<f4"), "VEC4")
    accessor = add_accessor(out, np.rint(65535 * weights).astype("<u2"), "VEC4")
    out["accessors"][accessor]["normalized"] = True
    return accessor
