"""Label colours as numbers; a look-up table, so that no colour ever goes through shading."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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

_NUMBERS = 2**16  # all that an image of uint16 can hold


@dataclass(frozen=True)
class LabelTable:
    """Numbers the surfaces of a scene, and knows the label colour of each number.

    Attributes
    ----------
    numbers : tuple of (int or None)
        For each surface the number that a picture shows it by; None = not to be rendered.
    palette : (65536, 3) uint8
        The colour of each number; white where it is no surface's.
    """

    numbers: tuple[int | None, ...]
    palette: NDArray[np.uint8]

    @classmethod
    def from_colours(cls, colours: Sequence[Colour | None], free: Sequence[int]) -> LabelTable:
        """Give surfaces their numbers.

        Each gets its own, whatever its colour, so that one picture of numbers serves for any colours; only
        where there are more surfaces than numbers, those of one colour share one.

        Parameters
        ----------
        colours : sequence of (red, green, blue) or None
            Of each surface; None = not to be rendered.
        free : sequence of int
            The numbers that can be given, positive and ascending.

        Raises
        ------
        SceneError
            There are more colours than numbers.
        """
        kinds: Sequence[Hashable] = range(len(colours)) if len(colours) <= len(free) else colours
        distinct = dict.fromkeys(kind for kind, colour in zip(kinds, colours, strict=True) if colour)
        if len(distinct) > len(free):
            raise SceneError(
                f"{len(distinct)} different labels; at most {len(free)} can be told apart", "$.materials"
            )
        number = dict(zip(distinct, free, strict=False))
        numbers = tuple(number[kind] if colour else None for kind, colour in zip(kinds, colours, strict=True))
        palette = np.full((_NUMBERS, 3), NO_LABEL, np.uint8)
        palette[[index for index in numbers if index]] = [colour for colour in colours if colour] or NO_LABEL
        return cls(numbers, palette)

    def paint(self, numbers: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Paint a label image.

        Parameters
        ----------
        numbers : (height, width) uint16
            What each pixel shows; 0, and what is no surface's, is painted white.

        Returns
        -------
        (height, width, 3) uint8
        """
        return self.palette[numbers]


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
