"""Makes scenes as a Drake client sends them, and pictures what an exact renderer must answer.

The oracle intersects one ray through each pixel's centre with every triangle, in float64, with numpy alone.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gltf_render_server.frame import Lens

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """A triangle mesh in the world.

    vertices: (n, 3) metres, triangles: (m, 3) vertex indices, matrix: (4, 4) body to world.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.uint32]
    matrix: Matrix
    label: int
    rgba: tuple[float, float, float, float] = (0.8, 0.3, 0.2, 1.0)


@dataclass
class DrakeScene:
    """A list of bodies and a camera; `document` writes what Drake would send."""

    bodies: list[Body]
    camera_to_world: Matrix
    """(4, 4), the camera looks along -z with y up."""
    extra: dict[str, Any] = field(default_factory=dict)

    def document(self, image_type: str = "color") -> dict[str, Any]:
        document = empty_document()
        children = document["nodes"][-1]["children"]
        for index, body in enumerate(self.bodies):
            add_mesh(document, body, image_type)
            document["nodes"].insert(
                index, {"mesh": index, "name": f"g{index}", "matrix": column_major(body.matrix)}
            )
            children.append(index)
        document["nodes"].insert(
            len(self.bodies),
            {"camera": 0, "name": "Camera Node", "matrix": column_major(self.camera_to_world)},
        )
        children.append(len(self.bodies))
        document["scenes"][0]["nodes"] = [len(self.bodies) + 1]
        document.update(self.extra)
        return document

    def to_bytes(self, image_type: str = "color") -> bytes:
        return json.dumps(self.document(image_type)).encode()


def empty_document() -> dict[str, Any]:
    return {
        "asset": {"generator": "VTK", "version": "2.0"},
        "scene": 0,
        "scenes": [{"name": "Layer 0", "nodes": []}],
        "nodes": [{"name": "Renderer Node", "children": []}],
        "cameras": [{"type": "perspective", "perspective": {"yfov": 0.8, "znear": 0.05, "aspectRatio": 1.0}}],
        "meshes": [],
        "materials": [],
        "accessors": [],
        "bufferViews": [],
        "buffers": [],
    }


def add_mesh(document: dict[str, Any], body: Body, image_type: str) -> None:
    """Append a mesh with one primitive, its material and its data."""
    position = add_accessor(document, body.vertices.astype("<f4"), "VEC3")
    indices = add_accessor(document, body.triangles.reshape(-1).astype("<u4"), "SCALAR")
    material = len(document["materials"])
    document["materials"].append(drake_material(body, image_type))
    primitive = {
        "attributes": {"POSITION": position},
        "indices": indices,
        "material": material,
        "mode": 4,
    }
    document["meshes"].append({"name": f"g{len(document['meshes'])}", "primitives": [primitive]})


def drake_material(body: Body, image_type: str) -> dict[str, Any]:
    rgba = label_rgba(body.label) if image_type == "label" else body.rgba
    pbr = {"baseColorFactor": list(rgba), "metallicFactor": 0.0, "roughnessFactor": 1.0}
    return {"pbrMetallicRoughness": pbr}


def label_rgba(label: int) -> tuple[float, float, float, float]:
    return (label % 256 / 255, label // 256 / 255, 0.0, 1.0)


def add_accessor(document: dict[str, Any], array: NDArray[Any], kind: str) -> int:
    data = array.tobytes()
    component = {"<f4": 5126, "<u4": 5125, "<u2": 5123}[array.dtype.str]
    count = len(array)
    accessor: dict[str, Any] = {
        "bufferView": len(document["bufferViews"]),
        "componentType": component,
        "count": count,
        "type": kind,
    }
    if kind == "VEC3":
        accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
    document["accessors"].append(accessor)
    document["bufferViews"].append({"buffer": len(document["buffers"]), "byteLength": len(data)})
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    document["buffers"].append({"byteLength": len(data), "uri": uri})
    return len(document["accessors"]) - 1


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """pixels: (height, width) or (height, width, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def column_major(matrix: Matrix) -> list[float]:
    return np.asarray(matrix, float).T.reshape(-1).tolist()


def translation(x: float, y: float, z: float) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def look_at(eye: Sequence[float], target: Sequence[float], up: Sequence[float] = (0, 0, 1)) -> Matrix:
    """Pose of a camera that looks along -z with y up."""
    back = np.subtract(eye, target)
    back = back / np.linalg.norm(back)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([right, np.cross(back, right), back, eye])
    return matrix


def box(size: Sequence[float], matrix: Matrix, label: int, **more: Any) -> Body:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [(a, b, c) for a, b, c, d in quads] + [(a, c, d) for a, b, c, d in quads]
    vertices = corners * np.asarray(size, np.float32) / 2
    return Body(vertices, np.array(triangles, np.uint32), matrix, label, **more)


def sphere(radius: float, matrix: Matrix, label: int, rings: int = 12, **more: Any) -> Body:
    """A UV sphere with split vertices along its seam, as VTK writes it."""
    polar, azimuth = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij"
    )
    xyz = [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    vertices = radius * np.stack(xyz, -1).reshape(-1, 3)
    width = 2 * rings + 1
    i, j = np.meshgrid(np.arange(rings), np.arange(2 * rings), indexing="ij")
    a = (i * width + j).reshape(-1)
    triangles = np.concatenate(
        [np.stack([a, a + width, a + 1], -1), np.stack([a + 1, a + width, a + width + 1], -1)]
    )
    return Body(vertices.astype(np.float32), triangles.astype(np.uint32), matrix, label, **more)


@dataclass(frozen=True)
class Oracle:
    """What an exact renderer answers.

    depth: (height, width) float64, planar, metres, inf = no hit between the clipping planes.
    label: (height, width), 0 = no hit.
    is_sharp: (height, width) bool, False where the ray passes an edge so closely that rounding decides.
    """

    depth: NDArray[np.float64]
    label: NDArray[np.int64]
    is_sharp: NDArray[np.bool_]


def oracle(scene: DrakeScene, camera: Lens) -> Oracle:
    """Cast one ray through each pixel's centre."""
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    x = (u - camera.center_x) / camera.focal_x
    y = (v - camera.center_y) / camera.focal_y
    rays = np.stack([x, -y, -np.ones_like(x)], -1).reshape(-1, 3)  # depth 1 along -z
    depth = np.full(len(rays), np.inf)
    label = np.zeros(len(rays), int)
    is_sharp = np.ones(len(rays), bool)
    world_to_camera = np.linalg.inv(scene.camera_to_world)
    for body in scene.bodies:
        to_camera = world_to_camera @ body.matrix
        points = body.vertices.astype(float) @ to_camera[:3, :3].T + to_camera[:3, 3]
        for triangle in points[body.triangles.astype(int)]:
            hit, margin = _intersect(rays, triangle)
            near_edge = (np.abs(margin) < 1e-4) & (hit < depth + 1e-3) & (hit > 0)
            is_visible = (margin >= 0) & (hit > camera.near) & (hit < camera.far) & (hit < depth)
            depth = np.where(is_visible, hit, depth)
            label = np.where(is_visible, body.label, label)
            is_sharp &= ~near_edge
    shape = (camera.height, camera.width)
    return Oracle(depth.reshape(shape), label.reshape(shape), is_sharp.reshape(shape))


def _intersect(rays: Matrix, triangle: Matrix) -> tuple[Matrix, Matrix]:
    """Return the depth of the triangle's plane and the smallest barycentric coordinate, for each ray."""
    a, b, c = triangle
    normal = np.cross(b - a, c - a)
    area = normal @ normal
    if area == 0:
        return np.full(len(rays), np.inf), np.full(len(rays), -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (normal @ a) / (rays @ normal)
        points = rays * t[:, None]
        second = np.cross(points - a, c - a) @ normal / area
        third = np.cross(b - a, points - a) @ normal / area
    margin = np.minimum(np.minimum(second, third), 1 - second - third)
    bad = ~np.isfinite(t) | (t <= 0)
    return np.where(bad, np.inf, t), np.where(bad, -1.0, np.nan_to_num(margin, nan=-1.0))
