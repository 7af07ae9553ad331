"""The diameter of a set of points: the largest distance between two of them, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["diameter_of"]

_CELLS = 24  # along the longest side of the box
_STEPS = 8

Floats = NDArray[np.float64]


def diameter_of(points: Floats) -> float:
    """Return the largest distance between two points.

    Points are put into the cells of a grid. Two cells are compared point by point only if their boxes reach
    farther apart than what was found already, so the time hardly grows with the square of the points.

    Parameters
    ----------
    points : (n, 3) float64
        At least one.
    """
    cells = _cells(np.unique(points, axis=0))
    low = np.array([cell.min(0) for cell in cells])
    high = np.array([cell.max(0) for cell in cells])
    best = _far_pair(points)
    for index, cell in enumerate(cells):
        reach = np.maximum(high[index] - low[index:], high[index:] - low[index])
        bounds = np.sqrt((reach * reach).sum(1))
        for other in np.argsort(-bounds).tolist():
            if bounds[other] <= best:
                break
            best = max(best, _farthest(cell, cells[index + other]))
    return best


def _cells(points: Floats) -> list[Floats]:
    """Divide points by a grid of cubes."""
    side = np.ptp(points, 0).max() / _CELLS or 1.0
    numbers = ((points - points.min(0)) / side).astype(np.int64) @ np.array([1, 1000, 1000000])
    order = np.argsort(numbers, kind="stable")
    _, starts = np.unique(numbers[order], return_index=True)
    return np.split(points[order], starts[1:])


def _far_pair(points: Floats) -> float:
    """Go from a point to the farthest one and so on; what is found is seldom much less than the diameter."""
    best, at = 0.0, points[0]
    for _ in range(_STEPS):
        lengths = np.linalg.norm(points - at, axis=1)
        best, at = max(best, float(lengths.max())), points[lengths.argmax()]
    return best


def _farthest(cell: Floats, other: Floats) -> float:
    return max(float(np.linalg.norm(other - point, axis=1).max()) for point in cell)
