"""Checks of 2D bounding boxes, exact to the pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..check import Measured, check_view
from ..seen import Box, Extent, SeenObject, SeenView

__all__ = ["box_off"]

_HABITS = {
    (0, 0, -1, -1): "as if the width were the last column minus the first, without + 1",
    (0, 0, 1, 1): "as if 1 were added to the width and height twice",
    (1, 1, 0, 0): "as if columns and rows were numbered from 1",
    (-1, -1, 0, 0): "one pixel too far to the upper left",
    (0.5, 0.5, 0, 0): "half a pixel too far to the lower right",
    (-0.5, -0.5, 0, 0): "half a pixel too far to the upper left, as if the first column's centre were at 0",
    (0.5, 0.5, -1, -1): "half a pixel too small on each side, as if the box ended at the pixels' centres",
    (-0.5, -0.5, 1, 1): "half a pixel too large on each side",
}


def box_off(annotated: Box | None, right: Box | None) -> tuple[float, str]:
    """Return the error of a box, px, and a description; inf = exactly one of the boxes is None."""
    detail = f"the annotated box is {_shown(annotated)}, that of the mask {_shown(right)}"
    if annotated is None or right is None:
        return (0.0, "") if annotated is right else (np.inf, detail)
    off = np.subtract(annotated, right)
    edges = np.abs([off[0], off[1], off[0] + off[2], off[1] + off[3]])
    figure = float(max(np.abs(off).max(), edges.max()))
    habit = _HABITS.get(tuple(np.round(off, 6).tolist()), "")
    return figure, f"{detail}: {habit}" if habit else detail


@check_view("boxes.seen", "px", 0)
def _seen(view: SeenView) -> Iterator[Measured]:
    """The visible box encloses the visible mask exactly, up to the outer edges of its pixels."""
    if not view.has_masks:
        return
    for each in view.objects:
        if each.has_boxes:
            extent = view.extents.get(each.number, Extent(None, 0))
            yield Measured(*_named(box_off(each.box, extent.box), each))


@check_view("boxes.whole", "px", 0)
def _whole(view: SeenView) -> Iterator[Measured]:
    """The amodal box encloses the amodal mask: exactly, unless the object extends beyond the image."""
    for each in view.objects:
        if each.amodal is None or each.amodal.shape != (view.size[1], view.size[0]):
            continue
        if not (each.has_boxes and each.has_box_amodal):
            continue
        inside = Extent.of(each.amodal)
        if each.pixels_all in (None, inside.pixels):
            yield Measured(*_named(box_off(each.box_amodal, inside.box), each))
        elif inside.box is not None and each.box_amodal is not None:
            detail = "the amodal mask extends beyond the amodal box"
            yield Measured(_beyond(inside.box, each.box_amodal), each.where, detail)


@check_view("boxes.edges", "px", 0)
def _edges(view: SeenView) -> Iterator[Measured]:
    """`edge_distance` is the smallest distance in pixels from the visible box to an image edge."""
    for each in view.objects:
        if each.edge_distance is None or each.box is None:
            continue
        x, y, width, height = each.box
        right = min(x, y, view.size[0] - x - width, view.size[1] - y - height)
        detail = f"edge_distance is {each.edge_distance}, not {right:g}"
        yield Measured(abs(each.edge_distance - right), each.where, detail)


def _shown(box: Box | None) -> str:
    return "empty" if box is None else f"[{', '.join(f'{value:g}' for value in box)}]"


def _named(off: tuple[float, str], each: SeenObject) -> tuple[float, str, str]:
    figure, detail = off
    return figure, each.where, detail


def _beyond(inner: Box, outer: Box) -> float:
    """Return how far a box extends beyond another, px."""
    return max(
        0.0,
        outer[0] - inner[0],
        outer[1] - inner[1],
        inner[0] + inner[2] - outer[0] - outer[2],
        inner[1] + inner[3] - outer[1] - outer[3],
    )
