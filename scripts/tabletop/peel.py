"""Skins of fruit, painted on the sphere (u around, v from pole to pole), so that no pole smears."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .textures import Maps, blend, noise, normal_map, step

Floats = NDArray[np.float64]

_CELLS = 64


def citrus(rng: np.random.Generator, colour: ArrayLike, shade: ArrayLike, pits: float) -> Maps:
    """Return the peel of an orange or a lemon: oil glands as pits, a greener pole.

    Parameters
    ----------
    colour, shade : (3,), sRGB, of the peel and of its pits and stalk end
    pits : depth of the glands
    """
    sphere, stretch = _sphere(288)
    glands = step(0.1, 1.5, _sampled(noise(rng, (_CELLS,) * 3, 3.2, 5), sphere * 44))
    cloud = _sampled(noise(rng, (_CELLS,) * 3, 20), sphere * 14)
    pole = step(0.80, 1.02, sphere[..., 2] + 0.03 * cloud)
    painted = blend(colour, shade, 0.16 * glands + 0.10 * cloud + 0.12 + 0.5 * pole)
    normal = normal_map(-glands + 0.3 * cloud, pits, stretch)
    return Maps(painted, normal, 0.36 + 0.10 * glands)


def pear(rng: np.random.Generator) -> Maps:
    """Return the skin of a pear: green to gold, a red cheek on one side, freckles, russet ends."""
    sphere, stretch = _sphere(288)
    cloud = _sampled(noise(rng, (_CELLS,) * 3, 20), sphere * 12)
    freckles = step(1.7, 2.6, _sampled(noise(rng, (_CELLS,) * 3, 3, 5), sphere * 40))
    cheek = step(-0.1, 1.0, sphere @ np.array([0.85, -0.25, 0.25]) + 0.16 * cloud)
    painted = blend((0.73, 0.68, 0.29), (0.60, 0.62, 0.27), 0.5 + 0.35 * cloud)
    painted = blend(painted, (0.66, 0.27, 0.16), 0.75 * cheek)
    ends = step(0.82, 1.0, np.abs(sphere[..., 2]) + 0.06 * cloud)
    painted = blend(painted, (0.44, 0.31, 0.17), 0.5 * freckles + 0.75 * ends)
    return Maps(painted, normal_map(cloud + 0.3 * freckles, 0.05, stretch), 0.38 + 0.2 * ends)


def cut_face(rng: np.random.Generator, flesh: ArrayLike, zest: ArrayLike, segments: int = 10) -> Maps:
    """Return the cut face of a citrus fruit, the rim at a distance of 1/2 from the middle."""
    size = 512
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    turn = (angle + 0.25 * noise(rng, (size, size), 200) * radius) / (2 * np.pi) * segments
    wall = np.abs(turn - np.round(turn)) * radius * 2 * np.pi / segments
    pulp = step(0.012, 0.04, wall) * step(0.08, 0.13, radius) * (1 - step(0.82, 0.87, radius))
    # juice sacs are drops that point to the middle: noise in polar coordinates
    around, outward = (
        ((angle / np.pi + 1) * 255).astype(int) % size,
        (radius * 255).astype(int) % size,
    )
    sacs = noise(rng, (size, size), (34, 9), 3)[outward, around]
    colour = blend((0.95, 0.88, 0.70), np.asarray(flesh), pulp * (0.86 + 0.13 * sacs))
    colour = blend(colour, zest, step(0.935, 0.96, radius))
    height = (2 * pulp + 0.6 * sacs * pulp) * step(0.12, 0.4, radius)
    return Maps(colour, normal_map(height, 0.22), 0.62 - 0.24 * pulp)


def _sphere(rows: int) -> tuple[Floats, Floats]:
    """Return the directions of the texels, (rows, 2 rows, 3), and by how much rows are squeezed."""
    latitude = (np.arange(rows) + 0.5) / rows * np.pi - np.pi / 2
    # like shapes.revolve: the seam at the back
    longitude = np.arange(2 * rows) / (2 * rows) * 2 * np.pi + np.pi / 2
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    sphere = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    return sphere, 1 / np.maximum(np.cos(latitude), 0.05)[:, None]


def _sampled(volume: Floats, points: Floats) -> Floats:
    """Return trilinear samples of a tileable volume at `points`, (..., 3) in cells."""
    low = np.floor(points).astype(int)
    part = np.moveaxis(points - low, -1, 0)
    cells = np.moveaxis(low, -1, 0)
    result = np.zeros(points.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        wx, wy, wz = (p if c else 1 - p for p, c in zip(part, corner, strict=True))
        x, y, z = ((cell + c) % _CELLS for cell, c in zip(cells, corner, strict=True))
        result += wx * wy * wz * volume[x, y, z]
    return result
