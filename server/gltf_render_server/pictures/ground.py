"""A ground plane on which a model stands and casts its shadow. It fades out towards its edge."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..dataset.cameras import bounds
from ..dataset.cameras.matrices import direction
from ..dataset.composition import Composition, Paint
from ..dataset.shot import Document
from ..frame import View
from ..passes.hits import ray_grid
from ..scene import Scene
from ..settings import UpAxis
from ..srgb import linear_of, srgb_of

__all__ = ["Ground", "on_ground"]

_REACH = 4.0
"""The radius of the ground, in radii of the scene."""

_SOLID = 0.2
"""The fraction of that radius where fading begins."""

_BELOW = 1e-4
"""How far the ground lies below the lowest point, in radii of the scene."""

_ALBEDO = 0.62
"""Linear. With environment lighting, the ground is about as bright as the backdrop."""

_TEXELS = 256

_UNSURE = 0.3, 0.7
"""Limits for the ground's alpha.

Below the first, too few samples of a pixel meet the ground to determine its colour.
"""

_LITTLE = 1e-3
"""An alpha too low to determine a colour."""

_BLUR = 0.01
"""The distance within which the ground's colour is averaged for such a pixel, in image widths."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A document on a ground plane.

    Attributes
    ----------
    document : Document
    middle : (3,) float64
        The centre of the ground, in the world, metres.
    up : (3,) float64
        The direction that it faces.
    reach : float
        The radius of the ground, metres.
    """

    document: Document
    middle: NDArray[np.float64]
    up: NDArray[np.float64]
    reach: float

    def alpha(self, view: View) -> NDArray[np.floating]:
        """Return the alpha of the ground in each pixel of a view, (height, width), 0 to 1."""
        x, y = ray_grid(view.lens)
        right, up, backward = view.camera_to_world[:3, :3].T
        eye = view.camera_to_world[:3, 3] - self.middle
        rays = x[None, :, None] * right + y[:, None, None] * up - backward
        with np.errstate(divide="ignore", invalid="ignore"):
            along = -(eye @ self.up) / (rays @ self.up)
            distance = np.linalg.norm(eye + along[..., None] * rays, axis=-1) / self.reach
        is_met = np.isfinite(distance) & (along > 0)
        return _share(np.where(is_met, distance, 1.0)).astype(np.float32)

    def cleaned(
        self, picture: NDArray[np.uint8], is_model: NDArray[np.bool_], view: View
    ) -> NDArray[np.uint8]:
        """Return an image whose ground fades evenly, without the noise of the renderer.

        Parameters
        ----------
        picture : (height, width, 4) uint8
            The colour with alpha.
        is_model : (height, width) bool
            Where the first surface is not the ground, whether it is transparent or not.
        view : View
        """
        is_ground = ~_grown(is_model)
        seen, alpha = picture[..., 3:] / np.float32(255), self.alpha(view)[..., None]
        there = seen * is_ground[..., None]
        light = linear_of(picture[..., :3] / np.float32(255)) * there
        typical = light.mean((0, 1)) / max(float(there.mean()), _LITTLE)
        around = (_blurred(light) + _LITTLE * typical) / (_blurred(there) + _LITTLE)
        share = ((alpha - _UNSURE[0]) / (_UNSURE[1] - _UNSURE[0])).clip(0, 1)
        lit = share * light / alpha.clip(1e-6) + (1 - share) * around
        shown = np.rint(255 * srgb_of(lit.clip(0, 1))).astype(np.uint8)
        even = np.concatenate([shown, np.rint(255 * alpha).astype(np.uint8)], -1)
        return np.where(is_ground[..., None], even, picture)


def on_ground(document: Document, scene: Scene, up_axis: UpAxis) -> Ground:
    """Put a document on a ground plane at the height of its lowest point.

    Parameters
    ----------
    document : Document
    scene : Scene
        The scene of the document at the moment to be shown.
    up_axis : {"y", "z"}
    """
    extent = bounds(scene)
    up = direction(0.0, math.pi / 2, up_axis)
    right, back = direction(math.pi / 2, 0.0, up_axis), -direction(0.0, 0.0, up_axis)
    lowest = min(float(extent.low @ up), float(extent.high @ up)) - _BELOW * extent.radius
    middle = extent.center + (lowest - float(extent.center @ up)) * up
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    reach = _REACH * extent.radius
    composition = Composition()
    composition.add(document)
    composition.add_mesh(
        [middle + reach * (across * right + along * back) for across, along in corners],
        [(0, 1, 2), (0, 2, 3)],
        Paint(colour=(_ALBEDO, _ALBEDO, _ALBEDO), image=_faded()),
        "ground",
        normals=[up] * 4,
        texcoords=[((across + 1) / 2, (along + 1) / 2) for across, along in corners],
    )
    composition.materials[-1]["alphaMode"] = "BLEND"
    return Ground(composition.document(), middle, up, reach)


def _share(distance: NDArray[Any]) -> NDArray[Any]:
    """Return the opacity of the ground at a distance from its centre, given in radii."""
    share = np.clip((1 - distance) / (1 - _SOLID), 0, 1)
    return share * share * (3 - 2 * share)


def _faded() -> bytes:
    """Return a white PNG that is opaque in the middle and transparent at its edges."""
    across = (np.arange(_TEXELS) + 0.5) / _TEXELS * 2 - 1
    alpha = np.rint(255 * _share(np.hypot(across[:, None], across[None]))).astype(np.uint8)
    white = np.full((_TEXELS, _TEXELS, 3), 255, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([white, alpha])).save(buffer, "PNG")
    return buffer.getvalue()


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask dilated by one pixel."""
    wide = np.pad(mask, 1)
    height, width = mask.shape
    shifts = [(down, right) for down in range(3) for right in range(3)]
    return np.any([wide[down : down + height, right : right + width] for down, right in shifts], 0)


def _blurred(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the mean over a small square around each pixel, of (height, width, n) values."""
    side = 2 * max(2, round(_BLUR * values.shape[1])) + 1
    for axis in (0, 1):
        widths = [(side // 2 + 1, side // 2) if each == axis else (0, 0) for each in range(3)]
        sums = np.cumsum(np.pad(values, widths, mode="edge"), axis, dtype=np.float64)
        count = values.shape[axis]
        values = np.take(sums, range(side, side + count), axis) - np.take(sums, range(count), axis)
    return (values / side**2).astype(np.float32)
