"""A ground for a model to stand on, and to cast its shadow on; it fades away all around."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from ..dataset.cameras import bounds
from ..dataset.cameras.matrices import direction
from ..dataset.composition import Composition, Paint
from ..dataset.shot import Document
from ..scene import Scene
from ..settings import UpAxis

__all__ = ["on_ground"]

_REACH = 4.0
"""How far the ground goes from the middle, in radii of the scene."""

_SOLID = 0.2
"""The part of the way to its edge from which on it fades."""

_BELOW = 1e-4
"""How far it lies below the lowest point, in radii of the scene."""

_ALBEDO = 0.62
"""Linear; lit from all around, it is about as bright as what is behind a model."""

_TEXELS = 256


def on_ground(document: Document, scene: Scene, up_axis: UpAxis) -> Document:
    """Return a document that stands on a ground, as deep as the lowest point of what it shows.

    Parameters
    ----------
    document : Document
    scene : Scene
        What the document shows, at the moment that is meant.
    up_axis : {"y", "z"}
    """
    extent = bounds(scene)
    up = direction(0.0, math.pi / 2, up_axis)
    right, back = direction(math.pi / 2, 0.0, up_axis), -direction(0.0, 0.0, up_axis)
    lowest = min(float(extent.low @ up), float(extent.high @ up)) - _BELOW * extent.radius
    middle = extent.center + (lowest - float(extent.center @ up)) * up
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    reach = _REACH * extent.radius
    points = [middle + reach * (across * right + along * back) for across, along in corners]
    composition = Composition()
    composition.add(document)
    composition.add_mesh(
        points,
        [(0, 1, 2), (0, 2, 3)],
        Paint(colour=(_ALBEDO, _ALBEDO, _ALBEDO), image=_faded()),
        "ground",
        normals=[up] * 4,
        texcoords=[((across + 1) / 2, (along + 1) / 2) for across, along in corners],
    )
    composition.materials[-1]["alphaMode"] = "BLEND"
    return composition.document()


def _faded() -> bytes:
    """Return a PNG that is white, solid in the middle, and nothing at its edges."""
    across = (np.arange(_TEXELS) + 0.5) / _TEXELS * 2 - 1
    distance = np.hypot(across[:, None], across[None])
    share = np.clip((1 - distance) / (1 - _SOLID), 0, 1)
    alpha = np.rint(255 * share * share * (3 - 2 * share)).astype(np.uint8)
    white = np.full((_TEXELS, _TEXELS, 3), 255, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([white, alpha])).save(buffer, "PNG")
    return buffer.getvalue()
