"""The outlines of masks as polygons that follow the edges of pixels exactly."""

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
"""Where only diagonal neighbours are in the mask, two outlines meet: one around each of the two pixels."""

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
"""How an outline turns that keeps the mask on its right-hand side, by which of the four pixels around the
corner are in the mask: whether it comes along a row, from which side it comes, and to which side it goes."""


def outlines(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return a polygon for each part of a mask.

    A part is what hangs together by edges of pixels; pixels that touch at a corner only are of two parts. A
    polygon goes around its part clockwise, as seen on a screen, and has corners where the outline turns. A
    hole is reached and left along a bridge: a line straight up from the left end of its uppermost edge to the
    next outline. Filled by the even-odd rule or by winding numbers, the polygon is the mask exactly, and
    pycocotools agrees.

    Parameters
    ----------
    mask : (height, width) bool

    Returns
    -------
    list of (corners, 2) int64
        x and y in px from the mask's upper left corner, so that pixel (row, column) fills x from column to
        column + 1. The polygons are in the order of their uppermost, then leftmost corners.
    """
    x, y, turns = _corners(mask)
    if not len(x):
        return []
    along_row = turns[:, 0].astype(bool)
    following = _following(x, y, turns, along_row)
    first = np.unique(_first_of_outline(following))
    # an outline around a part begins by turning into its uppermost edge, and one around a hole by leaving it
    parts, holes = first[~along_row[first]], first[along_row[first]]
    points, order = list(zip(x.tolist(), y.tolist(), strict=True)), following.tolist()
    if len(holes):
        _bridge(holes, x, y, following, along_row, points, order)
    return [_followed(start, points, order) for start in parts.tolist()]


def joined(polygons: Sequence[Polygon]) -> Polygon:
    """Return one polygon of several: the first corner of each is reached and left along a line.

    The line comes from the nearest corner of the polygons before it. It is passed in both directions, so it
    encloses nothing: the even-odd rule fills the one polygon exactly as it fills the several.

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
    """Return x, y, and the turn of each corner of the outlines, from the top down, left to right."""
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

    Along a row, outlines go between pairs of corners that share no edge with each other. So the ends of these
    pairs have the same order as their beginnings, and likewise along a column.
    """
    following = np.empty(len(x), np.intp)
    for starts, line, place in ((~along_row, y, x), (along_row, x, y)):
        begins, ends = np.flatnonzero(starts), np.flatnonzero(~starts)
        begins = begins[np.lexsort((turns[begins, 2], place[begins], line[begins]))]
        ends = ends[np.lexsort((turns[ends, 1], place[ends], line[ends]))]
        following[begins] = ends
    return following


def _first_of_outline(following: Indices) -> Indices:
    """Return for each corner the first of all corners of its outline: looks 1, 2, 4 ... corners ahead."""
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
    """Put each hole into the outline above it: points get more of them, and order leads through them.

    Parameters
    ----------
    holes : indices of the first corners of holes
    """
    above = _edges_above(holes, x, y, following, along_row)
    # bridges to one edge are put in from the right to the left, so that the edge passes the left one first
    for which in np.argsort(-x[holes], kind="stable").tolist():
        hole, edge = int(holes[which]), int(above[which])
        foot, back = len(points), len(points) + 1
        points += [(points[hole][0], points[edge][1])] * 2
        order += [order[hole], order[edge]]
        order[edge], order[hole] = foot, back


def _edges_above(
    holes: Indices, x: Indices, y: Indices, following: Indices, along_row: NDArray[np.bool_]
) -> Indices:
    """Return the corners that begin the edges which lines up from the holes' first corners meet."""
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
    """Return the polygon that begins at a corner, without what only bridges bring: corners that are none."""
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
