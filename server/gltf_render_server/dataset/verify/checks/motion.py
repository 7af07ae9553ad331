"""Checks of optical flow: depth and the poses of both moments predict it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ....frame import Lens
from ..check import Measured, check_view
from ..points import apply, lifted, projected
from ..seen import SeenMoment, SeenView

__all__: list[str] = []

_FEWEST = 12  # points; fewer are not checked
_LEFT_OUT, _TOGETHER = -2, -1  # no object has these numbers
_TURNED = {
    "the opposite sign": (-1, -1),
    "y flipped": (1, -1),
    "x flipped": (-1, 1),
}

Floats = NDArray[np.float64]


@check_view("flow.points", "px", 0.05)
def _points(view: SeenView) -> Iterator[Measured]:
    """Flow leads to where depth, intrinsics and the poses of both moments place the point.

    The figure is an object's median error. Objects that bend are left out; if it is unknown which objects
    bend, all share one median.
    """
    for when, flow in view.flow.items():
        moment, numbers, depth = view.moments.get(when), view.numbers, view.depth
        if moment is None or numbers is None or depth is None or view.lens is None:
            continue
        if not flow.shape[:2] == depth.shape == numbers.shape:
            continue
        rows, columns = view.sample
        is_known = np.isfinite(depth[rows, columns])
        rows, columns = rows[is_known], columns[is_known]
        points, which = lifted(view.lens, depth, rows, columns), numbers[rows, columns]
        pixels = np.stack([columns, rows], -1).astype(np.float64) + 0.5
        annotated = flow[rows, columns].astype(float)
        there, group = np.full_like(points, np.nan), np.full(len(which), _LEFT_OUT)
        for number in np.unique(which).tolist():
            change, own = _change(view, moment, number), which == number
            if change is not None:
                there[own] = apply(change, points[own])
                is_known = not number or view.by_number[number].is_bent is not None
                group[own] = number if is_known else _TOGETHER
        for number in np.unique(group[group != _LEFT_OUT]).tolist():
            own = group == number
            whose = {_TOGETHER: "all objects", 0: "background"}.get(number) or view.by_number[number].where
            yield from _compared(view.lens, there[own], pixels[own], annotated[own], f"{when}, {whose}")


@check_view("flow.visible", "pixels", 0)
def _visible(view: SeenView) -> Iterator[Measured]:
    """`visible_*` is 0 or 1, and 1 only where flow leads into the image."""
    for when, visible in view.visible.items():
        yield Measured(int(np.count_nonzero(visible > 1)), f"visible, {when}", "values are neither 0 nor 1")
        flow = view.flow.get(when)
        if flow is None or flow.shape[:2] != visible.shape:
            continue
        rows, columns = np.nonzero(visible == 1)
        places = np.stack([columns, rows], -1) + 0.5 + flow[rows, columns].astype(float)
        with np.errstate(invalid="ignore"):
            is_inside = ((places > -1e-3) & (places < np.add(view.size, 1e-3))).all(-1)
        outside = int(np.count_nonzero(~is_inside))
        yield Measured(
            outside, f"visible, {when}", "visible is 1 where flow leads out of the image or is NaN"
        )


def _compared(lens: Lens, there: Floats, pixels: Floats, annotated: Floats, where: str) -> Iterator[Measured]:
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = projected(lens, there)[0] - pixels
        # far outside the image, the error is relative to the flow
        scale = 1 + np.abs(expected).max(1) / max(lens.width, lens.height)
    is_there = np.isfinite(expected).all(1)
    if np.count_nonzero(is_there) < _FEWEST:
        return
    off = _off(annotated, expected, scale)
    detail = ""
    for said, signs in _TURNED.items():
        turned = _off(annotated * signs, expected, scale)
        if turned < 0.05 < off:
            detail = f"the flow would be right with {said}"
    yield Measured(off, where, detail, int(np.count_nonzero(is_there)))


def _off(annotated: Floats, expected: Floats, scale: Floats) -> float:
    off = np.linalg.norm(annotated - expected, axis=1) / scale
    # flow that is NaN at a point whose place is known is an infinite error
    off = np.where(np.isfinite(off) | ~np.isfinite(expected).all(1), off, np.inf)
    return float(np.median(off[~np.isnan(off)]))


def _change(view: SeenView, moment: SeenMoment, number: int) -> Floats | None:
    """Return the transform of an object's points into the other moment's camera axes; None = unknown."""
    if view.camera_to_world is None:
        return None
    moved = view.camera_to_world
    if number:
        each, then = view.by_number.get(number), moment.matrices.get(number)
        if each is None or each.matrix is None or then is None or each.is_bent:
            return None
        if not np.array_equal(then, each.matrix):
            if np.linalg.cond(each.matrix[:3, :3]) > 1e5:
                return None
            moved = then @ np.linalg.inv(each.matrix) @ moved
    if np.linalg.cond(moment.camera_to_world[:3, :3]) > 1e6:
        return None
    return np.linalg.inv(moment.camera_to_world) @ moved
