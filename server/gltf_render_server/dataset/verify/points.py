"""Pixels with a depth -> points in the camera's axes, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...frame import Lens

__all__ = ["apply", "lifted", "pixels_of", "projected", "rays_of"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def rays_of(lens: Lens, rows: Indices, columns: Indices) -> Floats:
    """Return the rays through pixels' centres, (n, 3), in the camera's axes; each ends at depth 1."""
    x = (columns + 0.5 - lens.center_x) / lens.focal_x
    y = (lens.center_y - rows - 0.5) / lens.focal_y
    return np.stack([x, y, np.full(len(rows), -1.0)], -1)


def lifted(lens: Lens, depth: NDArray[Any], rows: Indices, columns: Indices) -> Floats:
    """Return the points that pixels show, (n, 3)."""
    return rays_of(lens, rows, columns) * depth[rows, columns].astype(float)[:, None]


def projected(lens: Lens, points: Floats) -> tuple[Floats, Floats]:
    """Return where points are in the image, (n, 2) px from its corner, and how deep, (n,); NaN = behind."""
    depth = np.where(points[:, 2] < 0, -points[:, 2], np.nan)
    u = lens.center_x + lens.focal_x * points[:, 0] / depth
    v = lens.center_y - lens.focal_y * points[:, 1] / depth
    return np.stack([u, v], -1), depth


def apply(matrix: Floats, points: Floats) -> Floats:
    """Move points, (n, 3)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def pixels_of(numbers: NDArray[Any], most: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Draw pixels: of each number at most some, so that small objects have their say; rows and columns."""
    flat = numbers.ravel()  # of 16 bits they are sorted fastest
    order = np.argsort(flat, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(flat[order].astype(np.int64)) != 0))
    drawn = [
        part if len(part) <= most else rng.choice(part, most, replace=False)
        for part in np.split(order, first[1:])
    ]
    return np.divmod(np.concatenate(drawn), numbers.shape[1])
