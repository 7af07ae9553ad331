"""One cache of recent results. Caching never changes the output: a key holds all that a value depends on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Recent", "RecentViews", "view_bytes"]

_ROUNDS = 32
"""For how many rounds a value is kept that nobody uses."""
_MOST_VIEWS = 16  # a rig of cameras, each asked for depth and then for labels
_MOST_VIEW_BYTES = 64 * 2**20
_PIXEL_BYTES = 4 + 4 + 4  # depth as float32, the placement and the triangle as int32
_POSE_BYTES = 16 * 8

_Kept = TypeVar("_Kept")


class Recent(Generic[_Kept]):
    """Keeps the value that was used last, and as many more as fit; what was not used for longest gives way.

    Two of them for which the same is called, in the same order, have the same keys.

    Parameters
    ----------
    most_bytes : int
        What all values may take; the last one is kept whatever it takes.
    most : int, optional
        How many values there may be.
    """

    def __init__(self, most_bytes: int, most: int | None = None) -> None:
        self._most_bytes = most_bytes
        self._most = most
        self._bytes = 0
        self._round = 0
        self._kept: OrderedDict[Hashable, tuple[_Kept, int, int]] = OrderedDict()  # value, bytes, last round

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def find(self, key: Hashable) -> _Kept | None:
        """Return the value of a key, which counts as a use; None where there is none."""
        if key not in self._kept:
            return None
        value, size_bytes, _ = self._kept.pop(key)
        self._kept[key] = (value, size_bytes, self._round)
        return value

    def keep(self, key: Hashable, value: _Kept, size_bytes: int) -> _Kept:
        """Keep the value of a key, and return it."""
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (value, size_bytes, self._round)
        self._bytes += size_bytes
        while len(self._kept) > 1 and self._is_too_much():
            self._drop(next(iter(self._kept)))
        return value

    def get(self, key: Hashable, make: Callable[[], _Kept], size: Callable[[_Kept], int]) -> _Kept:
        """Return the value of a key; make it, and tell its size in bytes, if it is not there."""
        if (found := self.find(key)) is not None:
            return found
        value = make()
        return self.keep(key, value, size(value))

    def begin_round(self) -> None:
        """Note that another round begins, such as a frame, and forget what the last ones have not used.

        So memory does not grow where one scene comes after another, however small they are.
        """
        self._round += 1
        while self._kept and next(iter(self._kept.values()))[2] < self._round - _ROUNDS:
            self._drop(next(iter(self._kept)))

    def values(self) -> list[_Kept]:
        """Return all values, the one that was used last at the end."""
        return [value for value, _, _ in self._kept.values()]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._kept.pop(key)[1]

    def _is_too_much(self) -> bool:
        return self._bytes > self._most_bytes or (self._most is not None and len(self._kept) > self._most)


class RecentViews(Recent[_Kept]):
    """The exact passes of the last views, as a renderer keeps them and the dispatcher expects it to."""

    def __init__(self) -> None:
        super().__init__(_MOST_VIEW_BYTES, _MOST_VIEWS)


def view_bytes(width: int, height: int, placements: int) -> int:
    """Return what it takes to keep a view, bytes.

    Parameters
    ----------
    width, height : int
        Of the view, px.
    placements : int
        Objects in the scene.
    """
    return width * height * _PIXEL_BYTES + (placements + 1) * _POSE_BYTES
