"""Numbers for objects. Blender has about 32,000 pass indices, but a scene may have more placements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import RenderError
from ..passes import NOTHING

__all__ = ["Numbering"]

_INDICES = 2**16  # the range of the object index pass


class Numbering:
    """Writes the number of each object in digits, and each digit as a pass index.

    One digit is nearly always enough. Each digit takes a separate render.

    Parameters
    ----------
    count : int
        The number of objects.
    free : (k,) int
        The positive pass indices that may be used.

    Raises
    ------
    RenderError
        There are fewer than two pass indices, which are not enough for digits, and more objects than these.
    """

    def __init__(self, count: int, free: NDArray[np.intp]) -> None:
        self._base = len(free)
        if self._base < min(count, 2):
            raise RenderError(
                f"the server's own scene leaves only {self._base} pass indices for {count} objects; set "
                "the pass index of some of its objects to 0"
            )
        self._digit = np.full(_INDICES, NOTHING, np.int32)
        self._digit[free] = np.arange(self._base)
        self.digits: list[list[int]] = []
        left = np.arange(count)
        while not self.digits or left.any():
            self.digits.append(free[left % self._base].tolist())
            left //= self._base

    def read_others(self, image: NDArray[np.uint16], others: Sequence[int]) -> NDArray[np.int32]:
        """Return the index of the visible object among some with their own pass indices, (height, width)."""
        number = np.full(_INDICES, NOTHING, np.int32)
        number[np.array(others, np.intp)] = np.arange(len(others))
        return number[image]

    def read(self, images: Sequence[NDArray[np.uint16]]) -> NDArray[np.int32]:
        """Return the index of the object that each pixel shows.

        Parameters
        ----------
        images : sequence of (height, width) uint16
            The pass indices, one image for each of `digits`.

        Returns
        -------
        (height, width) int32
            The indices; -1 = none of the objects.
        """
        # all values are in range, and this mode takes half the time
        found = self._digit.take(images[0], mode="clip")
        for place, image in enumerate(images[1:], 1):
            found = np.where(found == NOTHING, found, found + self._digit[image] * self._base**place)
        return found
