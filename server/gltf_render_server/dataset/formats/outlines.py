"""The outlines of masks, as polygons that follow the edges of pixels exactly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined", "outlines"]

Polygon = NDArray[np.int64]
Indices = NDArray[np.intp]

_UPPER_LEFT, _UPPER_RIGHT, _LOWER_LEFT, _LOWER_RIGHT = 1, 2, 4, 8
_SADDLES = {
    _UPPER_LEFT | _LOWER_RIGHT: (_UPPER_LEFT, _LOWER_RIGHT),
    _UPPER_RIGHT | _LOWER_LEFT: (_UPPER_RIGHT, _LOWER_LEFT),
}
"""Corners where only diagonal neighbours are in the mask; there, the outlines around both pixels meet."""

_LEFT = _ABOVE = 0
_RIGHT = _BELOW = 1
_TURNS = {
    _UPPER_LEFT: (False, _ABOVE, _LEFT),
    _UPPER_RIGHT: (True, _RIGHT, _ABOVE),
    _LOWER_LEFT: (True, _LEFT, _BELOW),
    _LOWER_RIGHT: (False, _BELOW, _RIGHT),
    15 - _UPPER_LEFT: (True, _LEFT, _ABOVE),
    15 - _UPPER_RIGHT: (False, _ABOVE, _RIGHT),
    15 - _LOWER_LEFT: (False, _BELOW, _LEFT),
    15 - _LOWER_RIGHT: (True, _RIGHT, _BELOW),
}
"""How an outline turns at a corner, by which of the four pixels around the corner are in the mask. An outline
keeps the mask on its right. A turn is (comes along a row, side it comes from, side it goes to)."""


def outlines(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return a polygon for each part of a mask.

    A part is a connected set of pixels that share edges; pixels that touch only at a corner belong to
    different parts. A polygon goes around its part clockwise, as seen on a screen, and has corners only where
    the outline turns. A bridge connects each hole: a line straight up from the left end of the hole's
    uppermost edge to the next outline, which the polygon passes in both directions. Filled by the even-odd
    rule, by winding numbers or by pycocotools, the polygons give the mask exactly.

    Parameters
    ----------
    mask : (height, width) bool

    Returns
    -------
    list of (corners, 2) int64
        x and y in px from the mask's upper left corner, so that pixel (row, column) covers x from column to
        column + 1. The polygons are sorted by their uppermost, then leftmost corners.
    """
    x, y, turns = _corners(mask)
    if not len(x):
        return []
    along_row = turns[:, 0].astype(bool)
    following = _following(x, y, turns, along_row)
    first = np.unique(_first_of_outline(following))
    # from its first corner, a part's outline follows its uppermost edge; a hole's outline leaves that edge
    parts, holes = first[~along_row[first]], first[along_row[first]]
    points, order = list(zip(x.tolist(), y.tolist(), strict=True)), following.tolist()
    if len(holes):
        _bridge(holes, x, y, following, along_row, points, order)
    return [_followed(start, points, order) for start in parts.tolist()]


def joined(polygons: Sequence[Polygon]) -> Polygon:
    """Join several polygons into one, by lines to the first corner of each.

    A line comes from the nearest corner of the preceding polygons. The result passes it in both directions,
    so the line encloses nothing: the even-odd rule fills the result exactly like the separate polygons.

    Parameters
    ----------
    polygons : sequence of (corners, 2)
        At least one.
    """
    corners, ends = np.concatenate(polygons), np.cumsum([len(polygon) for polygon in polygons]).tolist()
    x, y = np.ascontiguousarray(corners.T)
    shown, order = list(range(len(corners))), list(range(1, len(corners) + 1))
    order[ends[0] - 1] = 0
    for start, end in pairwise(ends):
        here = int((np.abs(x[:start] - x[start]) + np.abs(y[:start] - y[start])).argmin())
        back = len(shown)
        shown += [start, here]
        order += [back + 1, order[here]]
        order[here], order[end - 1] = start, back
    found = [0]
    while (following := order[found[-1]]) != 0:
        found.append(following)
    return corners[np.take(shown, found)]


def _corners(mask: NDArray[np.bool_]) -> tuple[Indices, Indices, NDArray[np.int8]]:
    """Return x, y and the turn of each corner of the outlines, sorted by row, then by column."""
    around = np.pad(mask, 1).astype(np.uint8)
    codes = (
        around[:-1, :-1] * _UPPER_LEFT
        + around[:-1, 1:] * _UPPER_RIGHT
        + around[1:, :-1] * _LOWER_LEFT
        + around[1:, 1:] * _LOWER_RIGHT
    )
    y, x = np.nonzero(_HOW_MANY[codes])
    many = _HOW_MANY[codes[y, x]]
    second = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    y, x = np.repeat(y, many), np.repeat(x, many)
    return x, y, _TABLE[codes[y, x], second]


def _following(x: Indices, y: Indices, turns: NDArray[np.int8], along_row: NDArray[np.bool_]) -> Indices:
    """Return the index of the corner that follows each corner.

    Along a row, outlines connect pairs of corners, and the edges of different pairs do not overlap. So the
    ends of the pairs have the same order as their beginnings. The same holds along a column.
    """
    following = np.empty(len(x), np.intp)
    for starts, line, place in ((~along_row, y, x), (along_row, x, y)):
        begins, ends = np.flatnonzero(starts), np.flatnonzero(~starts)
        begins = begins[np.lexsort((turns[begins, 2], place[begins], line[begins]))]
        ends = ends[np.lexsort((turns[ends, 1], place[ends], line[ends]))]
        following[begins] = ends
    return following


def _first_of_outline(following: Indices) -> Indices:
    """Return for each corner the first corner of its outline, by looking 1, 2, 4 ... corners ahead."""
    first, ahead = np.minimum(np.arange(len(following)), following), following
    while True:
        ahead = ahead[ahead]
        found = np.minimum(first, first[ahead])
        if (found == first).all():
            return first
        first = found


def _bridge(
    holes: Indices,
    x: Indices,
    y: Indices,
    following: Indices,
    along_row: NDArray[np.bool_],
    points: list[tuple[int, int]],
    order: list[int],
) -> None:
    """Connect each hole to the outline above it, by adding points and changing the order in place.

    Parameters
    ----------
    holes : (n,) int
        The indices of the holes' first corners.
    """
    above = _edges_above(holes, x, y, following, along_row)
    # bridges to one edge are added from right to left, so that the outline passes the leftmost first
    for which in np.argsort(-x[holes], kind="stable").tolist():
        hole, edge = int(holes[which]), int(above[which])
        foot, back = len(points), len(points) + 1
        points += [(points[hole][0], points[edge][1])] * 2
        order += [order[hole], order[edge]]
        order[edge], order[hole] = foot, back


def _edges_above(
    holes: Indices, x: Indices, y: Indices, following: Indices, along_row: NDArray[np.bool_]
) -> Indices:
    """Return the start corners of the edges that are straight above the holes' first corners."""
    begins = np.flatnonzero(~along_row)
    low, high = np.minimum(x[begins], x[following[begins]]), np.maximum(x[begins], x[following[begins]])
    lengths = high - low
    edge = np.repeat(begins, lengths)
    column = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - low, lengths)
    rows = int(y.max()) + 1
    place = column * rows + y[edge]
    sort = np.argsort(place)
    return edge[sort[np.searchsorted(place[sort], x[holes] * rows + y[holes]) - 1]]


def _followed(start: int, points: list[tuple[int, int]], order: list[int]) -> Polygon:
    """Return the polygon that begins at a corner, without points of bridges at which it does not turn."""
    found, at = [points[start]], order[start]
    while at != start:
        found.append(points[at])
        at = order[at]
    polygon = np.array(found, np.int64)
    polygon = polygon[(polygon != np.roll(polygon, 1, 0)).any(1)]
    direction = np.sign(np.roll(polygon, -1, 0) - polygon)
    return polygon[(direction != np.roll(direction, 1, 0)).any(1)]


_HOW_MANY = np.zeros(16, np.intp)
_TABLE = np.zeros((16, 2, 3), np.int8)
for _code, _turn in _TURNS.items():
    _HOW_MANY[_code], _TABLE[_code, 0] = 1, _turn
for _code, _both in _SADDLES.items():
    _HOW_MANY[_code], _TABLE[_code] = 2, [_TURNS[_one] for _one in _both]
