"""Label colours as numbers and as pass indices; a look-up table, so that none ever goes through shading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import SceneError

__all__ = ["DONT_CARE", "DO_NOT_RENDER", "NO_LABEL", "Colour", "LabelTable", "decode_labels"]

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

NO_LABEL: Colour = (255, 255, 255)
"""What the background and everything that the client did not send is painted."""

DONT_CARE = 252 + 127 * 256
"""Drake's label of what has none: the background, and all that only the server knows."""

DO_NOT_RENDER = 253 + 127 * 256
"""Drake's label of what a label image does not show."""

_LARGEST_INDEX = 32767  # Blender's limit for a pass index


@dataclass(frozen=True)
class LabelTable:
    """Numbers the label colours of a scene.

    Attributes
    ----------
    indices : tuple of (int or None)
        For each primitive its pass index, from 1 on; None = not to be rendered.
    palette : (n, 3) uint8
        The colour of each pass index; that of 0 is white.
    """

    indices: tuple[int | None, ...]
    palette: NDArray[np.uint8]

    @classmethod
    def from_colours(cls, colours: Sequence[Colour | None]) -> LabelTable:
        """Give the colours of a scene's primitives their indices; None means "do not render".

        Raises
        ------
        SceneError
            There are more colours than pass indices.
        """
        distinct = sorted({colour for colour in colours if colour is not None})
        if len(distinct) > _LARGEST_INDEX:
            raise SceneError(
                f"{len(distinct)} different labels; at most {_LARGEST_INDEX} can be told apart",
                "$.materials",
            )
        number = {colour: index for index, colour in enumerate(distinct, start=1)}
        indices = tuple(None if colour is None else number[colour] for colour in colours)
        return cls(indices, np.array([NO_LABEL, *distinct], np.uint8))

    def paint(self, object_index: NDArray[np.float32], is_client: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Paint a label image.

        Parameters
        ----------
        object_index : (height, width) float32
            Pass indices; whole numbers.
        is_client : (height, width) bool
            Where the client's objects are seen; the index means nothing elsewhere.

        Returns
        -------
        (height, width, 3) uint8
        """
        return self.palette[np.where(is_client, object_index, 0).astype(np.intp)]


def decode_labels(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Read a label image as Drake does: label = red + 256 green.

    Parameters
    ----------
    image : (height, width, 3 or 4) uint8

    Returns
    -------
    (height, width) uint16
        `DONT_CARE` where the image is white.
    """
    wide = image.astype(np.uint16)
    is_white = (image[..., :3] == NO_LABEL).all(-1)
    return np.where(is_white, np.uint16(DONT_CARE), wide[..., 0] + np.uint16(256) * wide[..., 1])
