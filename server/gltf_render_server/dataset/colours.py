"""Colours as people choose them, by hue, saturation and value, and as glTF has them, in linear light."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from ..gltf.materials import linear
from .choices import Choice, draw

__all__ = ["drawn_colour"]


def drawn_colour(
    colour: Sequence[float],
    hue: Choice | None,
    saturation: Choice | None,
    value: Choice | None,
    rng: np.random.Generator,
) -> list[float]:
    """Draw a colour.

    Parameters
    ----------
    colour : sequence of 3 float
        Linear red, green and blue, 0 to 1; what is not drawn stays as it is in it.
    hue, saturation, value : Choice or None
        Of the colour in sRGB, 0 to 1; a hue beyond begins again.
    rng : Generator

    Returns
    -------
    list of 3 float
        Linear red, green and blue.
    """
    found = colorsys.rgb_to_hsv(*(_encoded(channel) for channel in colour))
    drawn = [
        kept if choice is None else draw(choice, rng)
        for kept, choice in zip(found, (hue, saturation, value), strict=True)
    ]
    return linear([*colorsys.hsv_to_rgb(drawn[0] % 1.0, drawn[1], drawn[2]), 1.0])[:3]


def _encoded(channel: float) -> float:
    """Convert linear light to sRGB (IEC 61966-2-1)."""
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
