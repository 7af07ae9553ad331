"""The scene of the test request: a labelled ball, box and board; independent of Blender."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LABELS", "sample_camera", "sample_scene"]

LABELS = {1: "board", 2: "ball", 3: "box"}
"""The meaning of the scene's labels."""

_FLOAT, _UNSIGNED = 5126, 5125
_EYE, _TARGET = (1.5, -2.2, 1.4), (0.0, 0.0, 0.2)
_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)  # from z up to y up


@dataclass(frozen=True)
class _Body:
    """A mesh: (n, 3) float32 vertices in metres and normals, (m, 3) uint32 triangles, and a material."""

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.uint32]
    place: tuple[float, float, float]
    label: int
    rgb: tuple[float, float, float]
    roughness: float


def sample_scene(up_axis: str = "z", *, in_labels: bool = False) -> bytes:
    """Return the scene as a self-contained glTF 2.0 document.

    Parameters
    ----------
    up_axis : {"z", "y"}
        The up axis of the file.
    in_labels : bool
        Whether the materials contain labels, which Drake encodes as R + 256 G, instead of colours.
    """
    document = _Document(in_labels=in_labels)
    for body in _bodies():
        document.add(body)
    return document.to_bytes(_look_at(_EYE, _TARGET), np.eye(4) if up_axis == "z" else _Y_UP)


def sample_camera(width: int, height: int) -> dict[str, Any]:
    """Return intrinsics and clipping planes, in px and metres, with which all of the scene is visible."""
    focal = 1.1 * width
    return {
        "width": width,
        "height": height,
        "focal_x": focal,
        "focal_y": focal,
        "center_x": width / 2,
        "center_y": height / 2,
        "near": 0.05,
        "far": 20.0,
    }


class _Document:
    """A glTF document under construction."""

    def __init__(self, *, in_labels: bool) -> None:
        self._in_labels = in_labels
        self._lists: dict[str, list[Any]] = {
            name: [] for name in ("nodes", "meshes", "materials", "accessors", "bufferViews")
        }
        self._data = bytearray()

    def add(self, body: _Body) -> None:
        """Add a mesh with its material and node."""
        red, green = body.label % 256 / 255, body.label // 256 / 255
        rgb = (red, green, 0.0) if self._in_labels else body.rgb
        surface = {
            "baseColorFactor": [*rgb, 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": body.roughness,
        }
        primitive = {
            "attributes": {
                "POSITION": self._accessor(body.vertices, _FLOAT, "VEC3"),
                "NORMAL": self._accessor(body.normals, _FLOAT, "VEC3"),
            },
            "indices": self._accessor(body.triangles.reshape(-1), _UNSIGNED, "SCALAR"),
            "material": self._append("materials", {"pbrMetallicRoughness": surface}),
        }
        mesh = self._append("meshes", {"name": LABELS[body.label], "primitives": [primitive]})
        self._append("nodes", {"name": LABELS[body.label], "mesh": mesh, "translation": body.place})

    def to_bytes(self, camera_to_world: NDArray[np.float64], root: NDArray[np.float64]) -> bytes:
        """Add the camera and a root node, and return the document."""
        lens = {"yfov": 0.8, "znear": 0.05, "aspectRatio": 4 / 3}
        matrix = camera_to_world.T.reshape(-1).tolist()
        self._append("nodes", {"name": "camera", "camera": 0, "matrix": matrix})
        children = list(range(len(self._lists["nodes"])))
        root_node = {"name": "sample", "children": children, "matrix": root.T.reshape(-1).tolist()}
        uri = "data:application/octet-stream;base64," + base64.b64encode(self._data).decode()
        document = {
            "asset": {"version": "2.0", "generator": "glTF Render Server"},
            "scene": 0,
            "scenes": [{"nodes": [self._append("nodes", root_node)]}],
            "cameras": [{"type": "perspective", "perspective": lens}],
            "buffers": [{"byteLength": len(self._data), "uri": uri}],
            **self._lists,
        }
        return json.dumps(document).encode()

    def _accessor(self, values: NDArray[Any], component: int, kind: str) -> int:
        data = values.tobytes()
        view = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(data)}
        self._data += data
        accessor = {
            "bufferView": self._append("bufferViews", view),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if kind == "VEC3":
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self._append("accessors", accessor)

    def _append(self, name: str, item: dict[str, Any]) -> int:
        self._lists[name].append(item)
        return len(self._lists[name]) - 1


def _bodies() -> list[_Body]:
    return [
        _Body(*_box(1.4, 1.4, 0.06), (0.0, 0.0, -0.03), 1, (0.55, 0.42, 0.3), 0.6),
        _Body(*_ball(0.3), (-0.32, 0.1, 0.3), 2, (0.05, 0.25, 0.75), 0.15),
        _Body(*_box(0.36, 0.36, 0.36), (0.38, -0.1, 0.18), 3, (0.8, 0.22, 0.05), 0.4),
    ]


def _box(x: float, y: float, z: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Make a box around the origin with these edge lengths, m. Each side has separate vertices."""
    vertices, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal = np.eye(3)[axis] * sign
            right = np.eye(3)[(axis + 1) % 3]
            up = np.cross(normal, right)
            vertices += [normal - right - up, normal + right - up, normal + right + up, normal - right + up]
            normals += [normal] * 4
    size = np.array([x, y, z]) / 2
    triangles = [(n + a, n + b, n + c) for n in range(0, 24, 4) for a, b, c in ((0, 1, 2), (0, 2, 3))]
    return _arrays(np.array(vertices) * size, normals, triangles)


def _ball(radius: float, rings: int = 24) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Make a ball around the origin, radius in m."""
    sectors = 2 * rings
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sectors + 1), indexing="ij"
    )
    normals = np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1
    ).reshape(-1, 3)
    row = sectors + 1
    corners = [ring * row + sector for ring in range(rings) for sector in range(sectors)]
    # the first and the last ring consist of triangles, because two corners of each quad coincide at a pole
    upper = [(n, n + row, n + row + 1) for n in corners if n < (rings - 1) * row]
    lower = [(n, n + row + 1, n + 1) for n in corners if n >= row]
    return _arrays(normals * radius, normals, upper + lower)


def _arrays(vertices: Any, normals: Any, triangles: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return (
        np.asarray(vertices, np.float32),
        np.asarray(normals, np.float32),
        np.asarray(triangles, np.uint32),
    )


def _look_at(eye: tuple[float, ...], target: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the pose of a camera that looks along -z, with y up."""
    back = np.subtract(eye, target) / np.linalg.norm(np.subtract(eye, target))
    right = np.cross((0, 0, 1), back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    matrix[:3, 3] = eye
    return matrix
