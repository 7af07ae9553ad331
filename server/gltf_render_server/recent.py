"""A cache of recent results.

Caching never changes a result, because a key holds all that the value depends on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Recent", "RecentViews", "view_bytes"]

_ROUNDS = 32
"""The number of rounds after which an unused value is evicted."""
_MOST_VIEWS = 16  # enough for a rig of cameras, each rendered for depth and then for labels
_MOST_VIEW_BYTES = 64 * 2**20
_PIXEL_BYTES = 4 + 4 + 4  # depth as float32, placement index and triangle index as int32
_POSE_BYTES = 16 * 8

_Kept = TypeVar("_Kept")


class Recent(Generic[_Kept]):
    """A cache that evicts the least recently used values, and always keeps the one that was used last.

    Eviction is deterministic: two caches that receive the same calls in the same order hold the same keys.

    Parameters
    ----------
    most_bytes : int
        The limit for the size of all values together. The value that was used last is kept even if it is
        larger.
    most : int, optional
        The limit for the number of values.
    """

    def __init__(self, most_bytes: int, most: int | None = None) -> None:
        self._most_bytes = most_bytes
        self._most = most
        self._bytes = 0
        self._round = 0
        # each item is (value, size in bytes, last round in which it was used)
        self._kept: OrderedDict[Hashable, tuple[_Kept, int, int]] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def find(self, key: Hashable) -> _Kept | None:
        """Return the value of a key and mark it as recently used.

        Return None if the cache does not hold it.
        """
        if key not in self._kept:
            return None
        value, size_bytes, _ = self._kept.pop(key)
        self._kept[key] = (value, size_bytes, self._round)
        return value

    def keep(self, key: Hashable, value: _Kept, size_bytes: int) -> _Kept:
        """Store the value of a key, and return the value."""
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (value, size_bytes, self._round)
        self._bytes += size_bytes
        while len(self._kept) > 1 and self._is_too_much():
            self._drop(next(iter(self._kept)))
        return value

    def get(self, key: Hashable, make: Callable[[], _Kept], size: Callable[[_Kept], int]) -> _Kept:
        """Return the value of a key. If it is missing, make it and store it with its size in bytes."""
        if (found := self.find(key)) is not None:
            return found
        value = make()
        return self.keep(key, value, size(value))

    def begin_round(self) -> None:
        """Begin another round, such as a frame, and evict the values that recent rounds have not used.

        Thus the cache does not grow when many different scenes follow each other, however small they are.
        """
        self._round += 1
        while self._kept and next(iter(self._kept.values()))[2] < self._round - _ROUNDS:
            self._drop(next(iter(self._kept)))

    def values(self) -> list[_Kept]:
        """Return all values, from the least to the most recently used."""
        return [value for value, _, _ in self._kept.values()]

    def clear(self) -> None:
        """Remove all values."""
        self._kept.clear()
        self._bytes = 0

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._kept.pop(key)[1]

    def _is_too_much(self) -> bool:
        return self._bytes > self._most_bytes or (self._most is not None and len(self._kept) > self._most)


class RecentViews(Recent[_Kept]):
    """A cache of the exact passes of recent views.

    The dispatcher predicts which views a renderer has cached.
    """

    def __init__(self) -> None:
        super().__init__(_MOST_VIEW_BYTES, _MOST_VIEWS)


def view_bytes(width: int, height: int, placements: int) -> int:
    """Return the memory that a cached view takes, in bytes.

    Parameters
    ----------
    width, height : int
        The size of the view, px.
    placements : int
        The number of placements in the scene.
    """
    return width * height * _PIXEL_BYTES + (placements + 1) * _POSE_BYTES
