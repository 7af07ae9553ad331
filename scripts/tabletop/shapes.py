"""Surfaces from numbers: lathe, swept tube, rounded box, box, cylinder, disc.

Everything is a grid of points in metres, z up; nothing here knows of materials or files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_UPRIGHT = np.eye(3)


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh.

    Attributes
    ----------
    positions : (n, 3) float64, metres
    triangles : (m, 3) int64, counter-clockwise seen from outside
    normals : (n, 3) float64 of unit length, or None: the reader shades it as it likes
    uvs : (n, 2) float64, or None; v grows with the rows of a texture
    """

    positions: Floats
    triangles: NDArray[np.int64]
    normals: Floats | None = None
    uvs: Floats | None = None

    def moved(self, pose: Floats) -> Surface:
        """Return the surface moved by `pose`, (4, 4), rotation (and uniform scale) plus translation."""
        normals = None if self.normals is None else unit(self.normals @ pose[:3, :3].T)
        return replace(self, positions=transform(pose, self.positions), normals=normals)


def joined(*surfaces: Surface) -> Surface:
    """Return one surface of many that all have normals and uvs."""
    starts = np.cumsum([0] + [len(s.positions) for s in surfaces])
    return Surface(
        np.concatenate([s.positions for s in surfaces]),
        np.concatenate([s.triangles + start for s, start in zip(surfaces, starts, strict=False)]),
        np.concatenate([s.normals for s in surfaces if s.normals is not None]),
        np.concatenate([s.uvs for s in surfaces if s.uvs is not None]),
    )


def unit(vectors: ArrayLike) -> Floats:
    """Return `vectors`, (..., 3), scaled to length one; a zero vector stays zero."""
    vectors = np.asarray(vectors, float)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def transform(pose: Floats, points: Floats) -> Floats:
    """Return `points`, (..., 3), moved by `pose`, (4, 4)."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def pose(x: float, y: float, z: float = 0.0, *, yaw: float = 0.0, rotation: ArrayLike = _UPRIGHT) -> Floats:
    """Return a (4, 4) pose: `rotation`, (3, 3), then a turn by `yaw` degrees about z, then a shift."""
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    result = np.eye(4)
    result[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.asarray(rotation)
    result[:3, 3] = x, y, z
    return result


def tilt(degrees: float, axis: str = "x") -> Floats:
    """Return the (3, 3) rotation by `degrees` about the x or the y axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def curve(points: ArrayLike, count: int, rounds: int = 5) -> Floats:
    """Return `count` evenly spaced points of a smooth open curve that a control polygon draws.

    Chaikin's corner cutting (a quadratic B-spline in the limit); both ends stay.

    Parameters
    ----------
    points : (n, d), the control polygon
    count : number of points
    rounds : rounds of cutting
    """
    line = chaikin(points, rounds)
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(lengths)])
    wanted = np.linspace(0, at[-1], count)
    return np.stack([np.interp(wanted, at, axis) for axis in line.T], axis=1)


def chaikin(points: ArrayLike, rounds: int = 3) -> Floats:
    """Return the polygon `points`, (n, d), with its corners cut `rounds` times."""
    line = np.asarray(points, float)
    for _ in range(rounds):
        a, b = line[:-1], line[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, line.shape[1])
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def grid(points: Floats, *, wrap: bool = False, tile: tuple[float, float] = (1, 1)) -> Surface:
    """Return the smooth surface through a grid of points.

    Parameters
    ----------
    points : (rows, columns, 3), metres; the outside is where columns x rows points
    wrap : the last column is the first one again
    tile : how often the texture repeats along (columns, rows)
    """
    rows, columns = points.shape[:2]
    v, u = np.mgrid[0 : tile[1] : rows * 1j, 0 : tile[0] : columns * 1j]
    corners = points.reshape(-1, 3)
    triangles = _grid_triangles(rows, columns)
    first, second, third = np.moveaxis(corners[triangles], 1, 0)
    # at a pole half of them have no area, and so no tangent for a normal map
    area = np.linalg.norm(np.cross(second - first, third - first), axis=1)
    return Surface(
        corners,
        triangles[area > 1e-12],
        _grid_normals(points, wrap).reshape(-1, 3),
        np.stack([u, v], axis=-1).reshape(-1, 2),
    )


def _grid_triangles(rows: int, columns: int) -> NDArray[np.int64]:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _grid_normals(points: Floats, wrap: bool) -> Floats:
    along = np.gradient(points, axis=1)
    if wrap:
        seam = points[:, 1] - points[:, -2]
        along[:, 0] = along[:, -1] = seam / 2
    normals = np.cross(along, np.gradient(points, axis=0))
    size = np.linalg.norm(normals, axis=-1)
    # at a pole all columns meet: it takes the direction of the row beside it
    for pole, beside in ((0, 1), (-1, -2)):
        if size[pole].max() < 1e-3 * size[beside].max():
            normals[pole] = unit(normals[beside]).mean(axis=0)
    return unit(normals)


def revolve(profile: ArrayLike, segments: int = 64) -> Floats:
    """Return the grid of a solid of revolution about z.

    Parameters
    ----------
    profile : (n, 2), radius and height in metres, outside on the right hand going along it
    segments : columns around; the last one repeats the first

    Returns
    -------
    (n, segments + 1, 3) float64
    """
    profile = np.asarray(profile, float)
    # the seam lies at the back, away from a camera at -y
    angle = np.linspace(0, 2 * np.pi, segments + 1) + np.pi / 2
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    flat = profile[:, None, :1] * ring
    return np.concatenate([flat, np.broadcast_to(profile[:, None, 1:], flat[..., :1].shape)], axis=-1)


def lathe(
    profile: ArrayLike, segments: int = 64, *, rows: int = 60, tile: tuple[float, float] = (1, 1)
) -> Surface:
    """Return the surface of revolution of a control polygon (radius, height), its corners rounded."""
    line = _sampled_by_bend(chaikin(profile, 5), rows)
    surface = grid(revolve(line, segments), wrap=True, tile=tile)
    # v by arc length: a glaze is not stretched where the profile has few points
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    uvs = np.array(surface.uvs)
    uvs[:, 1] = np.repeat(lengths / lengths[-1] * tile[1], segments + 1)
    return replace(surface, uvs=uvs)


def _sampled_by_bend(line: Floats, count: int) -> Floats:
    """Return `count` points of a polygon, closer together where it bends."""
    steps = np.diff(line, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    bends = np.abs(np.diff(heading, prepend=heading[0]))
    at = np.concatenate([[0], np.cumsum(lengths / lengths.sum() + 2 * bends / bends.sum())])
    wanted = np.linspace(0, at[-1], count)
    return np.stack([np.interp(wanted, at, axis) for axis in line.T], axis=1)


def tube(
    path: Floats,
    radii: ArrayLike,
    *,
    across: ArrayLike = (0, 1, 0),
    sides: int = 24,
    tile: tuple[float, float] = (1, 1),
) -> Surface:
    """Return an elliptic section swept along a curve.

    Parameters
    ----------
    path : (n, 3), metres
    radii : (n, 2) or (2,), half axes along `across` and at right angles to it, metres
    across : (3,), one axis of the section; not parallel to the curve
    sides : columns around
    tile : repeats of the texture (around, along)
    """
    forward = unit(np.gradient(path, axis=0))
    other = unit(np.cross(forward, np.asarray(across, float)))
    first = unit(np.cross(other, forward))
    half = np.broadcast_to(np.asarray(radii, float), (len(path), 2))
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    points = (
        path[:, None]
        + half[:, None, :1] * np.cos(angle) * other[:, None]
        + half[:, None, 1:] * np.sin(angle) * -first[:, None]
    )
    return grid(points[:, ::-1], wrap=True, tile=tile)


def box(size: ArrayLike) -> Surface:
    """Return a box about the origin, `size` (3,) in metres, with uvs, sharp edges and no normals."""
    return replace(rounded_box(size, 0.0, steps=1), normals=None)


def rounded_box(size: ArrayLike, radius: float, *, steps: int = 6, tile: float = 0.0) -> Surface:
    """Return a box about the origin with rounded edges.

    Parameters
    ----------
    size : (3,), metres
    radius : of the edges, metres
    steps : points along each rounded edge
    tile : size of the texture in metres; 0 stretches it over each side
    """
    half = np.asarray(size, float) / 2
    sides = [_box_side(half, radius, axis, sign, steps, tile) for axis in range(3) for sign in (1, -1)]
    return joined(*sides)


def _box_side(half: Floats, radius: float, axis: int, sign: int, steps: int, tile: float) -> Surface:
    """One side of a rounded box, out to the middle of its edges."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    bend = np.tan(np.linspace(0, np.pi / 4, steps + 1)) if radius else np.ones(1)
    edge = np.concatenate([-bend[::-1], bend])
    lean = np.ones((len(edge), len(edge), 3)) * sign
    lean[..., u], lean[..., v] = edge[None, :] * sign, edge[:, None]
    core = np.sign(np.repeat([-1, 1], len(bend)))
    inner = np.empty_like(lean)
    inner[..., axis] = sign
    inner[..., u], inner[..., v] = core[None, :] * sign, core[:, None]
    normals = unit(lean) if radius else np.eye(3)[axis] * sign + 0 * lean
    points = inner * (half - radius) + radius * normals
    # u runs along x wherever it can: that is the way of the grain, and of the lines of pages
    flat = sorted((u, v))
    uvs = points[..., flat] / (tile or 2 * half[flat]) + 0.5
    return Surface(
        points.reshape(-1, 3),
        _grid_triangles(len(edge), len(edge)),
        normals.reshape(-1, 3),
        uvs.reshape(-1, 2),
    )


def cylinder(radius: float, height: float, sides: int = 96) -> Surface:
    """Return an upright cylinder that stands on the origin, without normals, as Drake sends its own."""
    profile = [(0, 0), (radius, 0), (radius, height), (0, height)]
    return replace(grid(revolve(profile, sides), wrap=True), normals=None)
