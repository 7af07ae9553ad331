"""The rows of normals: their length, and whether they are across the surface that depth shows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..check import Measured, check_view
from ..points import rays_of
from ..seen import SeenView

__all__: list[str] = []

_PIXELS = 4000
_FEWEST = 100
_FLAT = 2e-3  # how far the middle of two neighbours may be from the pixel, in parts of the depth
_TURNS = [np.array(signs) for signs in product((1, -1), repeat=3) if signs != (1, 1, 1)]

Floats = NDArray[np.float64]


@check_view("normals.unit", "1", 1e-3)
def _unit(view: SeenView) -> Iterator[Measured]:
    """Normals are as long as 1 wherever an object is seen."""
    if view.normal is None:
        return
    normals = view.normal
    if view.numbers is not None and view.numbers.shape == normals.shape[:2]:
        normals = normals[view.numbers > 0]
    else:
        normals = normals[np.isfinite(normals).all(-1)]
    if len(normals):
        off = np.abs(np.sqrt((normals.astype(float) ** 2).sum(-1)) - 1)
        yield Measured(max(0.0, float(off.max()) - 2 * view.normal_step), count=len(normals))


@check_view("normals.depth", "degrees", 30)
def _across(view: SeenView) -> Iterator[Measured]:
    """Normals are across the surface that depth shows, where it is smooth: the median angle of a view."""
    found = _both(view)
    if found is not None:
        yield Measured(float(np.median(_degrees(*found))), count=len(found[0]))


@check_view("normals.axes", "degrees", 1.0)
def _axes(view: SeenView) -> Iterator[Measured]:
    """No axis of the normals is turned round: by how much the mean angle would be less with another sign."""
    found = _both(view)
    if found is None:
        return
    told, shown = found
    own = _degrees(told, shown).mean()
    others = [(_degrees(told * signs, shown).mean(), f"with signs {signs.tolist()}") for signs in _TURNS]
    if view.camera_to_world is not None:
        turned = told @ view.camera_to_world[:3, :3]
        others.append((_degrees(turned, shown).mean(), "as normals in the world's axes"))
    best, axes = min(others)
    yield Measured(max(0.0, float(own - best)), "", f"{own:.1f} degrees as they are, {best:.1f} {axes}")


def _both(view: SeenView) -> tuple[Floats, Floats] | None:
    """Return the normals that are told, and those of the points around, (n, 3) each."""
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
        same &= view.depth_step * lens.focal_x * inverse[0] < 0.05  # rounding tilts what it shows
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
