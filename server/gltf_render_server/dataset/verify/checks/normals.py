"""Checks of normals: their length, and their agreement with the surface that depth shows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..check import Measured, check_view
from ..points import rays_of
from ..seen import SeenView

__all__: list[str] = []

_PIXELS = 4000  # about as many are looked at
_FEWEST = 100  # pixels; fewer are not checked
_FLAT = 2e-3  # how much 1 / depth may deviate from linear over three pixels, relative
_TURNS = [np.array(signs) for signs in product((1, -1), repeat=3) if signs != (1, 1, 1)]

Floats = NDArray[np.float64]


@check_view("normals.unit", "1", 1e-3)
def _unit(view: SeenView) -> Iterator[Measured]:
    """Normals have the length 1 at every pixel that shows an object."""
    if view.normal is None:
        return
    normals = view.normal
    if view.numbers is not None and view.numbers.shape == normals.shape[:2]:
        normals = normals[view.numbers > 0]
    else:
        normals = normals[np.isfinite(normals).all(-1)]
    if len(normals):
        off = np.abs(np.sqrt((normals.astype(float) ** 2).sum(-1)) - 1)
        figure = float(np.maximum(0.0, off.max() - 2 * view.normal_step))  # Python's max would lose a NaN
        yield Measured(figure, "", "the largest difference of a normal's length from 1", len(normals))


@check_view("normals.depth", "degrees", 30)
def _across(view: SeenView) -> Iterator[Measured]:
    """Normals agree with the smooth surfaces that depth shows; the figure is a view's median angle."""
    found = _both(view)
    if found is not None:
        figure = float(np.median(_degrees(*found)))
        yield Measured(figure, "", "the median angle to the normals that depth shows", len(found[0]))


@check_view("normals.axes", "degrees", 1.0)
def _axes(view: SeenView) -> Iterator[Measured]:
    """No axis of the normals is flipped; the figure is by how much other axes would fit better."""
    found = _both(view)
    if found is None:
        return
    annotated, shown = found
    own = _degrees(annotated, shown).mean()
    others = [
        (_degrees(annotated * signs, shown).mean(), f"with the signs {signs.tolist()}") for signs in _TURNS
    ]
    if view.camera_to_world is not None:
        turned = annotated @ view.camera_to_world[:3, :3]
        others.append((_degrees(turned, shown).mean(), "as normals in the world's axes"))
    best, axes = min(others)
    yield Measured(
        max(0.0, float(own - best)), "", f"mean angle {own:.1f} degrees as stored, {best:.1f} {axes}"
    )


def _both(view: SeenView) -> tuple[Floats, Floats] | None:
    """Return the annotated normals and those of the surface that depth shows, (n, 3) each."""
    depth, normal, lens, numbers = view.depth, view.normal, view.lens, view.numbers
    if depth is None or normal is None or lens is None or numbers is None:
        return None
    if not depth.shape == normal.shape[:2] == numbers.shape or min(depth.shape) < 3:
        return None
    step = max(1, int(np.sqrt(depth.size / _PIXELS)))
    rows, columns = (
        axis.ravel() for axis in np.mgrid[1 : depth.shape[0] - 1 : step, 1 : depth.shape[1] - 1 : step]
    )
    around = [(rows, columns + 1), (rows, columns - 1), (rows - 1, columns), (rows + 1, columns)]
    same = np.all([numbers[place] == numbers[rows, columns] for place in around], axis=0)
    same &= (numbers[rows, columns] > 0) & np.isfinite(normal[rows, columns]).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = [1 / depth[place].astype(float) for place in [(rows, columns), *around]]
        bend = np.maximum(
            np.abs(inverse[1] + inverse[2] - 2 * inverse[0]), np.abs(inverse[3] + inverse[4] - 2 * inverse[0])
        )
        same &= bend / inverse[0] < _FLAT
    if view.depth_step:
        same &= view.depth_step * lens.focal_x * inverse[0] < 0.05  # rounded depth tilts the surface
    if np.count_nonzero(same) < _FEWEST:
        return None
    right, left, up, down = (
        rays_of(lens, place[0][same], place[1][same]) / value[same][:, None]
        for place, value in zip(around, inverse[1:], strict=True)
    )
    shown = np.cross(right - left, up - down)
    length = np.linalg.norm(shown, axis=1)
    is_good = np.isfinite(length) & (length > 0)
    return normal[rows, columns][same][is_good].astype(float), shown[is_good] / length[is_good][:, None]


def _degrees(one: Floats, other: Floats) -> Floats:
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (one * other).sum(1) / np.where(length > 0, length, 1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
