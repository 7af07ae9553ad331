"""Converts pinhole intrinsics to OpenGL's projection, independent of VTK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..frame import Lens
from ..passes import Window

__all__ = ["Tile", "projection_matrix", "tiles"]


@dataclass(frozen=True)
class Tile:
    """A part of an image that is drawn at once.

    Attributes
    ----------
    rows, columns : slice
        The position of the part in the image.
    lens : Lens
        The lens that covers only this part.
    """

    rows: slice
    columns: slice
    lens: Lens

    @property
    def window(self) -> Window:
        """The tile as a window of the image."""
        return Window(self.columns.start, self.rows.start, self.lens.width, self.lens.height)


def tiles(lens: Lens, largest_px: int) -> Iterator[Tile]:
    """Divide an image into tiles with sides of at most `largest_px` pixels."""
    for top in range(0, lens.height, largest_px):
        for left in range(0, lens.width, largest_px):
            part = replace(
                lens,
                width=min(largest_px, lens.width - left),
                height=min(largest_px, lens.height - top),
                center_x=lens.center_x - left,
                center_y=lens.center_y - top,
            )
            yield Tile(slice(top, top + part.height), slice(left, left + part.width), part)


def projection_matrix(lens: Lens, near: float, far: float) -> NDArray[np.float64]:
    """Return OpenGL's projection matrix of a camera that looks along -z with y up.

    Parameters
    ----------
    lens : Lens
    near, far : float
        The clipping planes, metres along the optical axis.

    Returns
    -------
    (4, 4) float64
        The matrix from camera coordinates to clip coordinates, for column vectors.
    """
    width, height = lens.width, lens.height
    return np.array(
        [
            [2 * lens.focal_x / width, 0, 1 - 2 * lens.center_x / width, 0],
            [0, 2 * lens.focal_y / height, 2 * lens.center_y / height - 1, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
