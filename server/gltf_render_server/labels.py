"""Labels as pass indices, and back: a look-up table, so that no label colour ever goes through shading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import SceneError

__all__ = ["NO_LABEL", "Colour", "LabelTable"]

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

NO_LABEL: Colour = (255, 255, 255)
"""What the background and everything that the client did not send is painted."""

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
