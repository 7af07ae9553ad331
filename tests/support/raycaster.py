"""What an exact renderer must answer for any plain glTF file: reads it, poses it, and casts rays, by itself.

It shares nothing with the server's own reading of glTF. It is slow and simple, in float64: a formula of the
specification is computed for one vertex after another, and each ray meets all triangles. It knows GLB and
JSON with embedded buffers, sparse and normalized accessors, skins, morph targets, EXT_mesh_gpu_instancing and
the three interpolations of animations, but no compression.
"""

from __future__ import annotations

import base64
import json
import struct
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_PATHS = ("translation", "rotation", "scale", "weights")


@dataclass(frozen=True)
class Part:
    """A surface where it stands.

    node, copy: whose it is, and which of the node's copies; primitive: its JSON
    points: (n, 3), in its own frame; corners: (m, 3), indices of points
    object_to_world: (4, 4), of its node or copy; matrix: (4, 4), own frame to world
    vertex_matrices: (n, 4, 4), what its skin has moved each vertex by, or None
    """

    node: int
    copy: int
    primitive: dict[str, Any]
    points: Array
    corners: NDArray[np.intp]
    object_to_world: Array
    matrix: Array
    vertex_matrices: Array | None

    @property
    def triangles(self) -> Array:
        """Where its triangles are, (m, 3, 3), in the world."""
        return (self.points @ self.matrix[:3, :3].T + self.matrix[:3, 3])[self.corners]


class File:
    """A glTF file at a time; poses: matrices, (4, 4), that nodes have in the world instead of their own."""

    def __init__(self, data: bytes, time_s: float = 0.0, poses: Mapping[int, Array] | None = None) -> None:
        self._poses = poses or {}
        self.json, self._chunk = _open(data)
        self._buffers = [self._buffer(item) for item in self.json.get("buffers", ())]
        self.nodes = [dict(node) for node in self.json.get("nodes", ())]
        for animation in self.json.get("animations", ())[:1]:
            self._animate(animation, time_s)
        self.world: dict[int, Array] = {}
        scene = self.json["scenes"][self.json.get("scene", 0)]
        for root in scene.get("nodes", ()):
            self._place(root, np.eye(4))

    def triangles(self) -> Array:
        """Where all triangles of the scene are, (n, 3, 3), in the world."""
        found = [part.triangles for part in self.parts()]
        return np.concatenate(found) if found else np.empty((0, 3, 3))

    def parts(self) -> Iterator[Part]:
        """Yield the surfaces of the scene, by the order of the nodes, their copies and their primitives."""
        for index in sorted(self.world):
            if "mesh" in self.nodes[index]:
                for copy, world in enumerate(self._instances(index)):
                    yield from self._parts(index, copy, world)

    def camera(self, camera: int = 0) -> Array:
        """Pose of a camera, (4, 4), without the scale of what stands above it."""
        [world] = [self.world[i] for i in self.world if self.nodes[i].get("camera") == camera]
        turn, _ = np.linalg.qr(world[:3, :3])
        turn = turn * np.sign((turn * world[:3, :3]).sum(0))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn, world[:3, 3]
        return pose

    def _buffer(self, item: dict[str, Any]) -> bytes:
        if "uri" not in item:
            return self._chunk
        head, _, text = item["uri"].partition(",")
        return base64.b64decode(text) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(text)

    def _view(self, index: int) -> tuple[bytes, int]:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self._buffers[view["buffer"]][start : start + view["byteLength"]], view.get("byteStride", 0)

    def _rows(self, view: int, offset: int, dtype: np.dtype, count: int, width: int) -> NDArray[Any]:
        data, stride = self._view(view)
        size = dtype.itemsize * width
        stride = stride or size
        rows = [np.frombuffer(data, dtype, width, offset + stride * i) for i in range(count)]
        return np.array(rows, dtype).reshape(count, width)

    def values(self, index: int) -> Array:
        """Read an accessor, (n, k)."""
        item = self.json["accessors"][index]
        dtype, width, count = np.dtype(_TYPES[item["componentType"]]), _COUNTS[item["type"]], item["count"]
        values = np.zeros((count, width), dtype)
        if "bufferView" in item:
            values = self._rows(item["bufferView"], item.get("byteOffset", 0), dtype, count, width)
        if "sparse" in item:
            sparse, part = item["sparse"], item["sparse"]["indices"]
            kind = np.dtype(_TYPES[part["componentType"]])
            at = self._rows(part["bufferView"], part.get("byteOffset", 0), kind, sparse["count"], 1)
            part = sparse["values"]
            new = self._rows(part["bufferView"], part.get("byteOffset", 0), dtype, sparse["count"], width)
            for place, row in zip(at[:, 0], new, strict=True):
                values[place] = row
        floats = values.astype(float)
        if item.get("normalized") and dtype.kind != "f":
            floats = np.maximum(floats / np.iinfo(dtype).max, -1)
        return floats

    def _animate(self, animation: dict[str, Any], time_s: float) -> None:
        for channel in animation["channels"]:
            sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
            node, path = target.get("node"), target["path"]
            if path == "pointer":
                _, kind, number, path, *_ = f"{_pointer(target)}////".split("/")
                node = int(number) if kind == "nodes" and path in _PATHS else None
            if node is None:
                continue
            times = self.values(sampler["input"])[:, 0]
            values = self.values(sampler["output"])
            kind = sampler.get("interpolation", "LINEAR")
            rows = values.reshape(len(times), 3 if kind == "CUBICSPLINE" else 1, -1)
            self.nodes[node][path] = _at(kind, path == "rotation", times, rows, time_s).tolist()

    def _place(self, index: int, above: Array) -> None:
        own = self._poses.get(index)
        self.world[index] = above @ _local(self.nodes[index]) if own is None else own
        for child in self.nodes[index].get("children", ()):
            self._place(child, self.world[index])

    def _parts(self, index: int, copy: int, world: Array) -> Iterator[Part]:
        mesh = self.nodes[index]["mesh"]
        for primitive in self.json["meshes"][mesh]["primitives"]:
            if primitive.get("mode", _TRIANGLES) < _TRIANGLES:
                continue
            points = self._morphed(index, primitive, "POSITION")
            matrices = self._vertex_matrices(index, primitive, len(points))
            if matrices is not None:
                points = np.array([m[:3, :3] @ p + m[:3, 3] for m, p in zip(matrices, points, strict=True)])
            matrix = world if matrices is None else np.eye(4)
            corners = self._corners(primitive, len(points))
            yield Part(index, copy, primitive, points, corners, world, matrix, matrices)

    def normals(self, part: Part) -> Array | None:
        """The normals that the file gives to the vertices of a part, (n, 3), in its own frame."""
        if "NORMAL" not in part.primitive["attributes"]:
            return None
        normals = self._morphed(part.node, part.primitive, "NORMAL")
        if part.vertex_matrices is not None:
            turns = part.vertex_matrices[:, :3, :3]
            normals = np.array([np.linalg.inv(m).T @ n for m, n in zip(turns, normals, strict=True)])
        return normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def _morphed(self, index: int, primitive: dict[str, Any], name: str) -> Array:
        values, targets = self.values(primitive["attributes"][name]), primitive.get("targets", ())
        mesh = self.json["meshes"][self.nodes[index]["mesh"]]
        weights = self.nodes[index].get("weights") or mesh.get("weights") or [0] * len(targets)
        for weight, target in zip(weights, targets, strict=False):
            if name in target:
                values = values + weight * self.values(target[name])
        return values

    def _instances(self, index: int) -> list[Array]:
        extension = self.nodes[index].get("extensions", {}).get("EXT_mesh_gpu_instancing")
        if extension is None:
            return [self.world[index]]
        columns = {name.lower(): self.values(at) for name, at in extension["attributes"].items()}
        count = len(next(iter(columns.values())))
        rows = [{name: column[i] for name, column in columns.items()} for i in range(count)]
        return [self.world[index] @ _local(row) for row in rows]

    def _vertex_matrices(self, index: int, primitive: dict[str, Any], count: int) -> Array | None:
        """What a skin moves each vertex by, (count, 4, 4); None without one."""
        attributes = primitive["attributes"]
        if "skin" not in self.nodes[index] or "JOINTS_0" not in attributes:
            return None
        skin = self.json["skins"][self.nodes[index]["skin"]]
        joints = [self.world[joint] for joint in skin["joints"]]
        if "inverseBindMatrices" in skin:
            binds = self.values(skin["inverseBindMatrices"])
            joints = [a @ b.reshape(4, 4).T for a, b in zip(joints, binds, strict=False)]
        matrices, total = np.zeros((count, 4, 4)), np.zeros(count)
        for number in range(9):
            if f"JOINTS_{number}" not in attributes:
                break
            names = self.values(attributes[f"JOINTS_{number}"]).astype(int)
            shares = self.values(attributes[f"WEIGHTS_{number}"])
            for i in range(count):
                for joint, share in zip(names[i], shares[i], strict=True):
                    matrices[i] += share * joints[joint]
                    total[i] += share
        return matrices / total[:, None, None]

    def _corners(self, primitive: dict[str, Any], count: int) -> NDArray[np.intp]:
        order = np.arange(count)
        if "indices" in primitive:
            order = self.values(primitive["indices"])[:, 0].astype(int)
        mode = primitive.get("mode", _TRIANGLES)
        if mode == _STRIP:
            return np.array([order[[i, i + 1 + i % 2, i + 2 - i % 2]] for i in range(len(order) - 2)])
        if mode == _FAN:
            return np.array([[order[0], order[i], order[i + 1]] for i in range(1, len(order) - 1)])
        return order[: len(order) // 3 * 3].reshape(-1, 3)


def cast(
    triangles: Array, pose: Array, width: int, height: int, focal: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Cast a ray through the centre of each pixel of a camera that looks at the middle of its picture.

    Returns
    -------
    depth : (height, width) float64
        Planar, metres; inf = no hit.
    is_sharp : (height, width) bool
        Where no edge is so close that rounding could decide.
    """
    u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = np.stack([u / focal, -v / focal, -np.ones_like(u)], -1).reshape(-1, 3)
    to_camera = np.linalg.inv(pose)
    local = triangles @ to_camera[:3, :3].T + to_camera[:3, 3]
    depth, is_sharp = np.full(len(rays), np.inf), np.ones(len(rays), bool)
    for i in range(0, len(local), 256):
        hits, margins = _hits(rays, local[i : i + 256])
        at = np.where((margins >= 0) & (hits > 0), hits, np.inf)
        depth = np.minimum(depth, at.min(1, initial=np.inf))
        is_sharp &= ~((np.abs(margins) < 2e-3) & (hits > 0)).any(1)
    return depth.reshape(height, width), is_sharp.reshape(height, width)


@dataclass(frozen=True)
class Meeting:
    """What rays meet first.

    depth: (m,), inf = nothing; triangle: (m,), -1 = none; weights: (m, 3), of its corners; is_sharp: (m,),
    where no edge is so close that rounding could decide.
    """

    depth: Array
    triangle: NDArray[np.intp]
    weights: Array
    is_sharp: NDArray[np.bool_]


def meet(triangles: Array, pose: Array, rays: Array, near: float, far: float) -> Meeting:
    """Let rays, (m, 3), in the axes of a camera, meet triangles, (n, 3, 3), of the world."""
    to_camera = np.linalg.inv(pose)
    local = triangles @ to_camera[:3, :3].T + to_camera[:3, 3]
    depth, which = np.full(len(rays), np.inf), np.full(len(rays), -1)
    is_sharp = np.ones(len(rays), bool)
    for i in range(0, len(local), 256):
        hits, margins = _hits(rays, local[i : i + 256])
        is_between = (hits >= near) & (hits <= far)
        at = np.where((margins >= 0) & is_between, hits, np.inf)
        is_first = at.min(1) < depth
        which[is_first] = i + at.argmin(1)[is_first]
        depth = np.minimum(depth, at.min(1))
        is_sharp &= ~((np.abs(margins) < 2e-3) & is_between).any(1)
    corners = local[which].transpose(0, 2, 1)  # as columns
    weights = np.full((len(rays), 3), np.nan)
    met = which >= 0
    points = rays[met] * depth[met, None]
    weights[met] = np.linalg.solve(corners[met], points[..., None])[..., 0]
    return Meeting(depth, which, weights, is_sharp)


def _hits(rays: Array, triangles: Array) -> tuple[Array, Array]:
    """Depth and the smallest barycentric coordinate of each ray, (m,), in each triangle's plane, (n,)."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    with np.errstate(all="ignore"):
        # the solid angle's terms, each a triple product, add up to that of the ray and the normal
        first = rays @ np.cross(b, c).T
        second = rays @ np.cross(c, a).T
        third = rays @ np.cross(a, b).T
        total = first + second + third
        hits = (np.cross(b, c) * a).sum(1) / total
        margins = np.minimum(np.minimum(first, second), third) / total
        margins = np.where(total < 0, np.minimum(np.minimum(-first, -second), -third) / -total, margins)
    bad = ~np.isfinite(hits) | ~np.isfinite(margins)
    return np.where(bad, np.inf, hits), np.where(bad, -1.0, margins)


def _open(data: bytes) -> tuple[dict[str, Any], bytes]:
    if data[:4] != b"glTF":
        return json.loads(data), b""
    chunks, at = {}, 12
    while at < len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        chunks[kind] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return json.loads(chunks[b"JSON"]), chunks.get(b"BIN\0", b"")


def _pointer(target: dict[str, Any]) -> str:
    return target["extensions"]["KHR_animation_pointer"]["pointer"]


def _local(node: dict[str, Any]) -> Array:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    matrix = np.eye(4)
    matrix[:3, :3] = _turn(node.get("rotation", (0, 0, 0, 1))) * np.asarray(
        node.get("scale", (1, 1, 1)), float
    )
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _turn(quaternion: Any) -> Array:
    """Turn each axis by q v q*, the definition."""
    q = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    inverse = q * (-1, -1, -1, 1)
    axes = [_product(_product(q, np.array([*axis, 0.0])), inverse)[:3] for axis in np.eye(3)]
    return np.stack(axes, 1)


def _product(p: Array, q: Array) -> Array:
    vector = p[3] * q[:3] + q[3] * p[:3] + np.cross(p[:3], q[:3])
    return np.array([*vector, p[3] * q[3] - p[:3] @ q[:3]])


def _at(kind: str, is_rotation: bool, times: Array, rows: Array, time_s: float) -> Array:
    middle = rows.shape[1] // 2
    if time_s <= times[0] or len(times) == 1:
        return rows[0, middle]
    if time_s >= times[-1]:
        return rows[-1, middle]
    k = max(i for i in range(len(times)) if times[i] <= time_s)
    before, after, span = rows[k], rows[k + 1], times[k + 1] - times[k]
    t = (time_s - times[k]) / span
    if kind == "STEP":
        return before[0]
    if kind == "CUBICSPLINE":
        p0, m0, p1, m1 = before[1], span * before[2], after[1], span * after[0]
        return p0 + t * m0 + t**2 * (3 * (p1 - p0) - 2 * m0 - m1) + t**3 * (2 * (p0 - p1) + m0 + m1)
    if is_rotation:
        return _between(before[0], after[0], t)
    return before[0] + t * (after[0] - before[0])


def _between(p: Array, q: Array, t: float) -> Array:
    """Turn from p by a share of the turn that leads to q: p (p* q)^t."""
    difference = _product(p * (-1, -1, -1, 1), q)
    difference = difference if difference[3] >= 0 else -difference
    sine = np.linalg.norm(difference[:3])
    angle = np.arctan2(sine, difference[3])
    axis = difference[:3] / sine if sine > 1e-12 else np.zeros(3)
    return _product(p, np.array([*(axis * np.sin(t * angle)), np.cos(t * angle)]))
