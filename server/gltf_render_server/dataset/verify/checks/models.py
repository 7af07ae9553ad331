"""Checks against the objects' own surfaces, by casting rays at them, if the models are available."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..check import Measured, check_view
from ..models import Met
from ..points import rays_of
from ..seen import SeenView
from .depths import depth_habit

__all__: list[str] = []

_OUTLINE = 2000  # pixels at borders that are checked
_FEWEST = 30  # pixels; fewer are not checked

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@check_view("models.outlines", "share", 0.02)
def _outlines(view: SeenView) -> Iterator[Measured]:
    """Pixels at the borders between objects show the object that the models place there."""
    numbers = view.numbers
    if numbers is None:
        return
    rows, columns = _borders(numbers)
    if len(rows) > _OUTLINE:
        drawn = _rng(view).choice(len(rows), _OUTLINE, replace=False)
        rows, columns = rows[drawn], columns[drawn]
    met = _met(view, rows, columns)
    if met is None:
        return
    annotated = numbers[rows, columns]
    is_hidden = annotated == 0  # by the background, if its depth is nearer
    if view.depth is not None and view.depth.shape == numbers.shape:
        is_hidden &= view.depth[rows, columns] < met.depth * 0.999 - view.depth_step
    is_sure = met.is_sure & ~is_hidden
    count = int(np.count_nonzero(is_sure))
    if count >= _FEWEST:
        share = float((met.number != annotated)[is_sure].mean())
        yield Measured(share, "", "of the pixels at borders show another object than the models", count)


@check_view("models.depth", "share", 2e-4)
def _depth(view: SeenView) -> Iterator[Measured]:
    """Depth is that of the models in their poses; the figure is the 90th percentile of an object's errors."""
    found = _compared(view)
    if found is None:
        return
    off = np.abs(found.annotated - found.right)
    share = np.maximum(0, off - view.depth_step) / found.right
    for number in np.unique(found.number).tolist():
        own = found.number == number
        if number in view.by_number and np.count_nonzero(own) >= _FEWEST:
            figure = float(np.percentile(share[own], 90))
            ratio = float(np.median(found.annotated[own] / found.right[own]))
            detail = f"off by {np.percentile(off[own], 90) * 1e3:.3g} mm; {ratio:.5g} times the models' depth"
            if habit := depth_habit(ratio):
                detail += f"; {habit}"
            yield Measured(figure, view.by_number[number].where, detail, int(np.count_nonzero(own)))


@check_view("models.shift", "px", 0.02)
def _shift(view: SeenView) -> Iterator[Measured]:
    """Depth is not shifted in the image; the figure is the shift that would fit the models best."""
    found = _compared(view)
    if found is None:
        return
    off = found.annotated - found.right
    share = np.abs(off) / found.right
    # only depth that is nearly right shows a shift; rounded depth hides it
    is_good = share < 0.02
    if np.count_nonzero(is_good) < _FEWEST or view.depth_step > 1e-4 * np.median(found.right):
        return
    slopes, weight = found.slopes[is_good], 1 / found.right[is_good]
    system = slopes * weight[:, None]
    if np.linalg.cond(system) > 30:
        return
    shift = -np.linalg.lstsq(system, off[is_good] * weight, rcond=None)[0]
    detail = f"shifted by {shift[0]:.3f} px to the right and {shift[1]:.3f} px down"
    yield Measured(float(np.abs(shift).max()), "", detail, int(np.count_nonzero(is_good)))


@dataclass(frozen=True, eq=False)
class _Compared:
    """Pixels that show the models' object: annotated depth, models' depth, and its change per pixel."""

    number: NDArray[np.integer[Any]]
    annotated: Floats
    right: Floats
    slopes: Floats


def _compared(view: SeenView) -> _Compared | None:
    depth, numbers, lens = view.depth, view.numbers, view.lens
    if depth is None or numbers is None or lens is None or depth.shape != numbers.shape:
        return None
    rows, columns = view.sample
    met = _met(view, rows, columns)
    if met is None:
        return None
    annotated, number = depth[rows, columns].astype(float), numbers[rows, columns]
    is_same = met.is_sure & (met.number == number) & (number > 0) & np.isfinite(annotated)
    right = met.depth[is_same]
    normal = met.normal[is_same]
    if view.camera_to_world is not None and view.models is not None and not view.models.in_camera:
        normal = normal @ view.camera_to_world[:3, :3]
    along = (normal * rays_of(lens, rows[is_same], columns[is_same])).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.stack(
            [-right * normal[:, 0] / along / lens.focal_x, right * normal[:, 1] / along / lens.focal_y], -1
        )
    # at a grazing angle, the depth of a pixel is too uncertain
    is_good = (np.abs(slopes) < 0.05 * right[:, None]).all(1)
    return _Compared(number[is_same][is_good], annotated[is_same][is_good], right[is_good], slopes[is_good])


def _met(view: SeenView, rows: Indices, columns: Indices) -> Met | None:
    """Cast rays through pixels at the models; None if the view lacks what this needs."""
    models, lens = view.models, view.lens
    if models is None or lens is None or not len(rows):
        return None
    rays = rays_of(lens, rows, columns)
    if models.in_camera:
        return models.meet(np.zeros(3), rays, lens.near, lens.far)
    pose = view.camera_to_world
    if pose is None or not np.isfinite(pose).all():
        return None
    return models.meet(pose[:3, 3], rays @ pose[:3, :3].T, lens.near, lens.far)


def _borders(numbers: NDArray[np.integer[Any]]) -> tuple[Indices, Indices]:
    """Return the pixels that have a neighbour with another number: rows and columns."""
    is_border = np.zeros(numbers.shape, bool)
    for axis in (0, 1):
        first, second = ([slice(None)] * 2 for _ in range(2))
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        differs = numbers[tuple(first)] != numbers[tuple(second)]
        is_border[tuple(first)] |= differs
        is_border[tuple(second)] |= differs
    rows, columns = np.nonzero(is_border)
    return rows, columns


def _rng(view: SeenView) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(view.where.encode()))
