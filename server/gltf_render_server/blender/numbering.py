"""Numbers for objects: Blender has some 32 thousand pass indices, and a scene may have more placements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import RenderError
from ..passes import NOTHING

__all__ = ["Numbering"]

_INDICES = 2**16  # all that the pass of object indices can hold


class Numbering:
    """Writes the number of each object in digits, and each digit as a pass index.

    Almost always one digit is enough; each takes a render of its own.

    Parameters
    ----------
    count : int
        How many objects there are.
    free : (k,) int
        The pass indices that can be given, positive.

    Raises
    ------
    RenderError
        There are fewer than two, which make no digits, and more objects than these.
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
        """Return which of some objects with pass indices of their own each pixel shows, (height, width)."""
        number = np.full(_INDICES, NOTHING, np.int32)
        number[np.array(others, np.intp)] = np.arange(len(others))
        return number[image]

    def read(self, images: Sequence[NDArray[np.uint16]]) -> NDArray[np.int32]:
        """Return which object each pixel shows.

        Parameters
        ----------
        images : sequence of (height, width) uint16
            Pass indices, one image for each of `digits`.

        Returns
        -------
        (height, width) int32
            -1 = none of them.
        """
        found = self._digit.take(images[0], mode="clip")  # none is out of range: half the time
        for place, image in enumerate(images[1:], 1):
            found = np.where(found == NOTHING, found, found + self._digit[image] * self._base**place)
        return found
