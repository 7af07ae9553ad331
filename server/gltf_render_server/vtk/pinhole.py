"""Pinhole intrinsics -> OpenGL's projection; no VTK, only numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..http.form import Camera

__all__ = ["Tile", "pixel_rays", "projection_matrix", "tiles"]


@dataclass(frozen=True)
class Tile:
    """A part of an image that is drawn at once.

    Attributes
    ----------
    rows, columns : slice
        Where it is in the image.
    camera : Camera
        Sees this part only.
    """

    rows: slice
    columns: slice
    camera: Camera


def tiles(camera: Camera, largest_px: int) -> Iterator[Tile]:
    """Divide an image into parts whose sides have at most `largest_px` pixels."""
    for top in range(0, camera.height, largest_px):
        for left in range(0, camera.width, largest_px):
            part = replace(
                camera,
                width=min(largest_px, camera.width - left),
                height=min(largest_px, camera.height - top),
                center_x=camera.center_x - left,
                center_y=camera.center_y - top,
            )
            yield Tile(slice(top, top + part.height), slice(left, left + part.width), part)


def projection_matrix(camera: Camera, near: float, far: float) -> NDArray[np.float64]:
    """Return OpenGL's projection of a camera that looks along -z with y up.

    Parameters
    ----------
    camera : Camera
    near, far : float
        Where OpenGL clips, metres along the optical axis.

    Returns
    -------
    (4, 4) float64
        Camera to clip coordinates, column vectors.
    """
    width, height = camera.width, camera.height
    return np.array(
        [
            [2 * camera.focal_x / width, 0, 1 - 2 * camera.center_x / width, 0],
            [0, 2 * camera.focal_y / height, 2 * camera.center_y / height - 1, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )


def pixel_rays(camera: Camera, pixels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the rays through the centres of some pixels.

    Parameters
    ----------
    camera : Camera
    pixels : (n,) int
        Indices into the image, row by row.

    Returns
    -------
    (n, 3) float64
        In the camera's axes (x right, y up, z back); each ends at depth 1.
    """
    row, column = np.divmod(pixels, camera.width)
    rays = np.empty((len(pixels), 3))
    rays[:, 0] = (column + 0.5 - camera.center_x) / camera.focal_x
    rays[:, 1] = (camera.center_y - row - 0.5) / camera.focal_y
    rays[:, 2] = -1.0
    return rays
