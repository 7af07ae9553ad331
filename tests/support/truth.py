"""What the pixels of a view must tell, by the ray caster alone: what is met, where, and how it lies."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from raycaster import Array, File, Part

from gltf_render_server.frame import Lens, View

__all__ = ["Truth", "look", "rays_of", "smooth_normals"]

_NEAR_PX = 0.005  # OpenGL rounds places to 1/256 px
_AT_ONCE = 8  # triangles
_NEAR_DEPTH = 1e-4  # of the depth
_NEAR_ALPHA = 2e-3
_SMOOTH_BELOW_DEG = 30.0
_OF_DRAKE = ("VTK", "Drake glTF merger")


@dataclass(frozen=True)
class Truth:
    """What rays through the pixels' centres meet.

    Attributes
    ----------
    parts : list of Part
    part, triangle : (height, width) int
        Index into `parts`, and which of its triangles; -1 = nothing.
    depth : (height, width) float64
        inf = nothing.
    point : (height, width, 3) float64
        In the world; NaN = nothing.
    normal, geometric : (height, width, 3) float64
        In the camera's axes, of length 1, on the camera's side of the surface.
    uv : (height, width, 2) float64
        NaN = nothing, or no texture coordinates.
    is_sharp : (height, width) bool
        Where no edge and no other surface is so close that rounding could decide.
    """

    parts: list[Part]
    part: NDArray[np.intp]
    triangle: NDArray[np.intp]
    depth: Array
    point: Array
    normal: Array
    geometric: Array
    uv: Array
    is_sharp: NDArray[np.bool_]


def rays_of(view: View) -> Array:
    """The rays through the pixels' centres, (height, width, 3), in the camera's axes, to depth 1."""
    lens = view.lens
    u, v = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    x, y = (u - lens.center_x) / lens.focal_x, (v - lens.center_y) / lens.focal_y
    return np.stack([x, -y, -np.ones_like(x)], -1)


def look(
    file: File,
    view: View,
    *,
    alpha_threshold: float | None = None,
    is_shown: Callable[[Part], bool] = lambda _: True,
) -> Truth:
    """Cast the rays of a view.

    Parameters
    ----------
    file : File
    view : View
    alpha_threshold : float or None
        Rays pass where a material of ``alphaMode`` MASK is cut out, and where that of one of BLEND has an
        alpha of less than this. None = everything is solid.
    is_shown : callable
        Whether rays meet a part.
    """
    return _Look(file, view, alpha_threshold, is_shown).truth()


class _Look:
    def __init__(
        self, file: File, view: View, alpha_threshold: float | None, is_shown: Callable[[Part], bool]
    ) -> None:
        self.file, self.view, self.alpha_threshold = file, view, alpha_threshold
        self.rays = rays_of(view).reshape(-1, 3)
        self.to_camera = np.linalg.inv(view.camera_to_world)
        self.parts = [*file.parts()]
        count = len(self.rays)
        self.depth, self.other = np.full(count, np.inf), np.full(count, np.inf)
        self.part, self.triangle = np.full(count, -1), np.full(count, -1)
        self.weights = np.full((count, 3), np.nan)
        self.doubtful = np.full(count, np.inf)  # the least depth at which rounding could decide
        for index, part in enumerate(self.parts):
            if is_shown(part):
                self._meet(index, part)

    def truth(self) -> Truth:
        count = len(self.rays)
        normal, geometric = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
        uv = np.full((count, 2), np.nan)
        for index, part in enumerate(self.parts):
            seen = np.flatnonzero(self.part == index)
            if len(seen):
                triangle, weights = self.triangle[seen], self.weights[seen]
                geometric[seen], normal[seen] = self._normals(part, triangle, weights, self.rays[seen])
                if "TEXCOORD_0" in part.primitive["attributes"]:
                    uv[seen] = _mixed(self._texcoords(part)[triangle], weights)
        turn, eye = self.view.camera_to_world[:3, :3], self.view.camera_to_world[:3, 3]
        met = np.where(np.isfinite(self.depth), self.depth, np.nan)
        point = (self.rays * met[:, None]) @ turn.T + eye
        with np.errstate(invalid="ignore"):
            is_clear = ~(self.other - self.depth < _NEAR_DEPTH * self.depth)
        is_doubtful = np.isfinite(self.doubtful) & (self.doubtful <= self.depth * (1 + _NEAR_DEPTH))
        lens = self.view.lens
        flat = (self.part, self.triangle, self.depth, point, normal, geometric, uv)
        images = [array.reshape(lens.height, lens.width, *array.shape[1:]) for array in flat]
        is_sharp = (is_clear & ~is_doubtful).reshape(lens.height, lens.width)
        return Truth(self.parts, *images, is_sharp)

    def _meet(self, index: int, part: Part) -> None:
        local = part.triangles @ self.to_camera[:3, :3].T + self.to_camera[:3, 3]
        lens = self.view.lens
        for begin in range(0, len(local), _AT_ONCE):
            some = local[begin : begin + _AT_ONCE]
            which = self._may_meet(some)
            if not len(which):
                continue
            depths, weights, inside_px = _hits(self.rays[which], some, lens)
            near_depths = depths.clip(-some[..., 2].max(1), -some[..., 2].min(1))
            is_near = inside_px > -_NEAR_PX
            with np.errstate(invalid="ignore"):
                at_plane = np.minimum(abs(depths - lens.near), abs(depths - lens.far)) < _NEAR_DEPTH * depths
            is_doubtful = is_near & ((inside_px < _NEAR_PX) | at_plane)
            is_met = (inside_px >= 0) & (depths > lens.near) & (depths < lens.far)
            if self.alpha_threshold is not None:
                at = np.nonzero(is_near)
                is_open, is_close = self._is_open(part, begin + at[1], weights[at])
                is_met[at] &= ~is_open
                is_doubtful[at] |= is_close
            doubtful = np.where(is_doubtful, near_depths, np.inf).min(1)
            self.doubtful[which] = np.minimum(self.doubtful[which], doubtful)
            self._keep(index, begin, which, np.where(is_met, depths, np.inf), weights)

    def _keep(self, index: int, begin: int, which: NDArray[np.intp], met: Array, weights: Array) -> None:
        rows = np.arange(len(which))
        first = met.argmin(1)
        nearest = met[rows, first]
        met[rows, first] = np.inf
        before = self.depth[which]
        rest = np.minimum(np.maximum(before, nearest), met.min(1))
        self.other[which] = np.minimum(self.other[which], rest)
        is_nearer = nearest < before
        won = which[is_nearer]
        self.depth[won], self.part[won] = nearest[is_nearer], index
        self.triangle[won] = begin + first[is_nearer]
        self.weights[won] = weights[rows, first][is_nearer]

    def _may_meet(self, local: Array) -> NDArray[np.intp]:
        """Leave out the rays that pass triangles by, where all of them are before the camera."""
        if (local[..., 2] > -1e-3).any():
            return np.arange(len(self.rays))
        places = local[..., :2] / -local[..., 2:]
        low, high = places.min((0, 1)) - 1e-3, places.max((0, 1)) + 1e-3
        rays = self.rays[:, :2]
        return np.flatnonzero(((rays >= low) & (rays <= high)).all(1))

    def _normals(
        self, part: Part, triangle: NDArray[np.intp], weights: Array, rays: Array
    ) -> tuple[Array, Array]:
        matrix = self.to_camera[:3, :3] @ part.matrix[:3, :3]
        turn = np.cross(
            np.roll(matrix, -1, 1), np.roll(matrix, -2, 1), axis=0
        )  # its inverse's transpose, times its determinant
        geometric = _unit(_faces(part)[triangle] @ turn.T)
        side = -np.sign((geometric * rays).sum(1, keepdims=True))
        normals = _mixed(self._corner_normals(part)[triangle], weights)
        return side * geometric, side * _unit(normals @ turn.T)

    def _corner_normals(self, part: Part) -> Array:
        own = self.file.normals(part)
        if own is not None:
            return own[part.corners]
        if self.file.json["asset"].get("generator") in _OF_DRAKE:
            return smooth_normals(part.points, part.corners)
        return np.repeat(_faces(part)[:, None], 3, 1)

    def _texcoords(self, part: Part) -> Array:
        return self.file.values(part.primitive["attributes"]["TEXCOORD_0"])[part.corners]

    def _is_open(
        self, part: Part, triangle: NDArray[np.intp], weights: Array
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether points of a part are cut out, and whether that is a close call; both (n,)."""
        index = part.primitive.get("material")
        material = {} if index is None else self.file.json["materials"][index]
        mode, pbr = material.get("alphaMode"), material.get("pbrMetallicRoughness", {})
        if mode not in ("MASK", "BLEND"):
            return np.zeros(len(triangle), bool), np.zeros(len(triangle), bool)
        cutoff = material.get("alphaCutoff", 0.5) if mode == "MASK" else self.alpha_threshold
        alpha = np.full(len(triangle), pbr.get("baseColorFactor", [1.0] * 4)[3])
        if "baseColorTexture" in pbr:
            at = _mixed(self._texcoords(part)[triangle], weights)
            alpha = alpha * _sample(_alpha(self.file, pbr["baseColorTexture"]["index"]), at)
        return alpha < cutoff, np.abs(alpha - cutoff) < _NEAR_ALPHA


def smooth_normals(points: Array, corners: NDArray[np.intp]) -> Array:
    """Normals at the corners, (m, 3, 3), round across edges of less than 30 degrees; one face after another.

    At a corner, the faces are added that can be reached from it around the vertex across smooth edges,
    each as much as its angle there.
    """
    places = [tuple(place) for place in np.round(points / (1e-6 * np.ptp(points, 0).max())).tolist()]
    named = [[places[corner] for corner in face] for face in corners.tolist()]
    faces = _unit(_crossed(points[corners]))
    at_edge: dict[frozenset, list[int]] = defaultdict(list)
    for face, names in enumerate(named):
        if np.isfinite(faces[face]).all() and len({*names}) == 3:
            for i in range(3):
                at_edge[frozenset((names[i], names[i - 1]))].append(face)
    beside: dict[tuple, set[int]] = defaultdict(set)
    for edge, members in at_edge.items():
        for one in members:
            for other in members:
                if one != other and faces[one] @ faces[other] > np.cos(np.radians(_SMOOTH_BELOW_DEG)):
                    for end in edge:
                        beside[one, end].add(other)
    out = np.empty((len(corners), 3, 3))
    for face, names in enumerate(named):
        for i, name in enumerate(names):
            reached, new = {face}, [face]
            while new:
                new = [other for one in new for other in beside[one, name] if other not in reached]
                reached.update(new)
            total = sum(
                faces[one] * _angle(points[corners[one]], named[one].index(name))
                for one in sorted(reached)
                if np.isfinite(faces[one]).all()
            )
            out[face, i] = total / np.linalg.norm(total) if np.any(total) else 0.0
    return out


def _angle(triangle: Array, corner: int) -> float:
    one, other = (_unit(triangle[(corner + step) % 3] - triangle[corner]) for step in (1, 2))
    return np.arccos(np.clip(one @ other, -1, 1))


def _faces(part: Part) -> Array:
    """The normals of a part's triangles, (m, 3), in its own frame; NaN where it has none."""
    return _unit(_crossed(part.points[part.corners]))


def _crossed(triangles: Array) -> Array:
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _unit(vectors: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _mixed(values: Array, weights: Array) -> Array:
    """(n, 3, c), (n, 3) -> (n, c)"""
    return (values * weights[..., None]).sum(1)


def _hits(rays: Array, triangles: Array, lens: Lens) -> tuple[Array, Array, Array]:
    """Meet the planes of triangles, (n, 3, 3), by rays, (m, 3).

    Returns
    -------
    depth : (m, n)
    weights : (m, n, 3)
        Barycentric coordinates; NaN where the ray runs along the plane.
    inside_px : (m, n)
        How far inside the triangle the pixel's centre is; negative = outside.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    planes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 1)  # through the eye and an edge
    volumes = np.einsum("mi,nki->mnk", rays, planes, optimize=True)
    total = volumes.sum(-1)
    steepness = np.hypot(planes[..., 0] / lens.focal_x, planes[..., 1] / lens.focal_y)
    with np.errstate(all="ignore"):
        weights = volumes / total[..., None]
        depth = -(weights * triangles[None, :, :, 2]).sum(-1)
        inside_px = (np.sign(total)[..., None] * volumes / steepness).min(-1)
    is_bad = ~np.isfinite(depth) | ~np.isfinite(inside_px) | (depth <= 0)
    return np.where(is_bad, np.inf, depth), weights, np.where(is_bad, -np.inf, inside_px)


def _alpha(file: File, texture: int) -> Array:
    uri = file.json["images"][file.json["textures"][texture]["source"]]["uri"]
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGBA"))[..., 3] / 255.0


def _sample(image: Array, at: Array) -> Array:
    """Mix the four texels around places, (n, 2), of an image, (height, width), that repeats."""
    height, width = image.shape
    x, y = at[:, 0] * width - 0.5, at[:, 1] * height - 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = x - column, y - row
    upper, lower = (
        image[(row + i) % height, column % width] * (1 - across)
        + image[(row + i) % height, (column + 1) % width] * across
        for i in (0, 1)
    )
    return upper * (1 - down) + lower * down
