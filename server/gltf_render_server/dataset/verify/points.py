"""Turns pixels with a depth into points in the camera's axes, and points into pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...frame import Lens

__all__ = ["apply", "lifted", "pixels_of", "projected", "rays_at", "rays_of"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def rays_of(lens: Lens, rows: Indices, columns: Indices) -> Floats:
    """Return rays through the centres of pixels, (n, 3), in the camera's axes; each ends at depth 1."""
    return rays_at(lens, np.stack([columns, rows], -1) + 0.5)


def rays_at(lens: Lens, places: NDArray[np.floating]) -> Floats:
    """Return rays through places of the image, (n, 2) px, as `rays_of` does."""
    x = (places[:, 0] - lens.center_x) / lens.focal_x
    y = (lens.center_y - places[:, 1]) / lens.focal_y
    return np.stack([x, y, np.full(len(places), -1.0)], -1).astype(np.float64)


def lifted(lens: Lens, depth: NDArray[Any], rows: Indices, columns: Indices) -> Floats:
    """Return the points that pixels show, (n, 3), in the camera's axes."""
    return rays_of(lens, rows, columns) * depth[rows, columns].astype(float)[:, None]


def projected(lens: Lens, points: Floats) -> tuple[Floats, Floats]:
    """Project points: (n, 2) px from the image's upper left corner, and depth, (n,); NaN = behind."""
    depth = np.where(points[:, 2] < 0, -points[:, 2], np.nan)
    u = lens.center_x + lens.focal_x * points[:, 0] / depth
    v = lens.center_y - lens.focal_y * points[:, 1] / depth
    return np.stack([u, v], -1), depth


def apply(matrix: Floats, points: Floats) -> Floats:
    """Transform points, (n, 3), by a 4 x 4 matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def pixels_of(numbers: NDArray[Any], most: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Draw at most `most` pixels of each object, so that small ones count, too; return rows and columns."""
    flat = numbers.ravel()  # a stable sort is fastest on 16-bit numbers
    order = np.argsort(flat, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(flat[order].astype(np.int64)) != 0))
    drawn = [
        part if len(part) <= most else rng.choice(part, most, replace=False)
        for part in np.split(order, first[1:])
    ]
    return np.divmod(np.concatenate(drawn), numbers.shape[1])
