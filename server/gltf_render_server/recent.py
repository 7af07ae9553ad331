"""The exact passes of the last views: what a renderer keeps, and what the pool knows that it has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["RecentViews", "view_bytes"]

_MOST_VIEWS = 16  # a rig of cameras, each asked for depth and then for labels
_MOST_BYTES = 64 * 2**20
_PIXEL_BYTES = 4 + 4  # depth as float32, the placement as int32
_POSE_BYTES = 16 * 8

_Passes = TypeVar("_Passes")


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


class RecentViews(Generic[_Passes]):
    """Keeps the last one, and as many more as fit; the oldest gives way, however often it was found."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[_Passes, int]] = OrderedDict()

    def __contains__(self, view: Hashable) -> bool:
        return view in self._kept

    def find(self, view: Hashable) -> _Passes | None:
        """Return what was kept of a view, if it is still there."""
        kept = self._kept.get(view)
        return None if kept is None else kept[0]

    def keep(self, view: Hashable, passes: _Passes, size_bytes: int) -> None:
        """Keep the passes of a view that is not there."""
        self._kept[view] = (passes, size_bytes)
        while len(self._kept) > 1 and self._is_too_much():
            self._kept.popitem(last=False)

    def _is_too_much(self) -> bool:
        size_bytes = sum(size for _, size in self._kept.values())
        return len(self._kept) > _MOST_VIEWS or size_bytes > _MOST_BYTES
