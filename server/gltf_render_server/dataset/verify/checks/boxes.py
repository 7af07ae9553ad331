"""The rows of 2D boxes, to the pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..check import Measured, check_view
from ..seen import Box, Extent, SeenObject, SeenView

__all__ = ["box_off"]

_HABITS = {
    (0, 0, -1, -1): "as if the width were the last column minus the first, without + 1",
    (0, 0, 1, 1): "as if 1 were added to the width twice",
    (1, 1, 0, 0): "as if the first column were 1",
    (-1, -1, 0, 0): "one pixel too far to the upper left",
    (0.5, 0.5, 0, 0): "as if the first column's centre were at 1, half a pixel off",
    (-0.5, -0.5, 0, 0): "as if the first column's centre were 0, half a pixel off",
    (0.5, 0.5, -1, -1): "as if a box went from centre to centre, half a pixel in on each side",
    (-0.5, -0.5, 1, 1): "half a pixel out on each side",
}


def box_off(told: Box | None, right: Box | None) -> tuple[float, str]:
    """Return how far a box is off, px, and what it looks like; inf = one of them is none."""
    if told is None or right is None:
        return (0.0, "") if told is right else (np.inf, f"the box is {told}, the mask says {right}")
    off = np.subtract(told, right)
    edges = np.abs([off[0], off[1], off[0] + off[2], off[1] + off[3]])
    figure = float(max(np.abs(off).max(), edges.max()))
    habit = _HABITS.get(tuple(np.round(off, 6).tolist()), "")
    told_box, right_box = (f"[{', '.join(f'{value:g}' for value in box)}]" for box in (told, right))
    return figure, f"{told_box}, the mask says {right_box}{': ' if habit else ''}{habit}"


@check_view("boxes.seen", "px", 0)
def _seen(view: SeenView) -> Iterator[Measured]:
    """The box of what is seen is that of the mask, from the first column's edge to the last's."""
    if not view.tells_masks:
        return
    for each in view.objects:
        if each.boxes_told:
            extent = view.extents.get(each.number, Extent(None, 0))
            yield Measured(*_named(box_off(each.box, extent.box), each))


@check_view("boxes.whole", "px", 0)
def _whole(view: SeenView) -> Iterator[Measured]:
    """The box of all of an object is that of its mask, and around it where some is beyond the image."""
    for each in view.objects:
        if each.amodal is None or each.amodal.shape != (view.size[1], view.size[0]):
            continue
        if not (each.boxes_told and each.whole_told):
            continue
        inside = Extent.of(each.amodal)
        if each.pixels_all in (None, inside.pixels):
            yield Measured(*_named(box_off(each.box_amodal, inside.box), each))
        elif inside.box is not None and each.box_amodal is not None:
            yield Measured(_beyond(inside.box, each.box_amodal), each.where, "the mask goes beyond the box")


@check_view("boxes.edges", "px", 0)
def _edges(view: SeenView) -> Iterator[Measured]:
    """`edge_distance` is the least number of pixels between the box and the image's edges."""
    for each in view.objects:
        if each.edge_distance is None or each.box is None:
            continue
        x, y, width, height = each.box
        right = min(x, y, view.size[0] - x - width, view.size[1] - y - height)
        yield Measured(abs(each.edge_distance - right), each.where, f"{each.edge_distance}, not {right:g}")


def _named(off: tuple[float, str], each: SeenObject) -> tuple[float, str, str]:
    figure, detail = off
    return figure, each.where, detail


def _beyond(inner: Box, outer: Box) -> float:
    """Return how far a box is beyond another, px."""
    return max(
        0.0,
        outer[0] - inner[0],
        outer[1] - inner[1],
        inner[0] + inner[2] - outer[0] - outer[2],
        inner[1] + inner[3] - outer[1] - outer[3],
    )
