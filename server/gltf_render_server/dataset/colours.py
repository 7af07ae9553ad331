"""Converts between hue, saturation and value, which people choose, and the linear colours of glTF."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from ..srgb import linear_channel, srgb_channel
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
        Linear red, green and blue, 0 to 1.
    hue, saturation, value : Choice or None
        Parts of the colour in sRGB, 0 to 1; a hue beyond 1 wraps around. None = the part of ``colour`` is
        kept.
    rng : Generator

    Returns
    -------
    list of 3 float
        Linear red, green and blue.
    """
    found = colorsys.rgb_to_hsv(*map(srgb_channel, colour))
    drawn = [
        kept if choice is None else draw(choice, rng)
        for kept, choice in zip(found, (hue, saturation, value), strict=True)
    ]
    return [*map(linear_channel, colorsys.hsv_to_rgb(drawn[0] % 1.0, drawn[1], drawn[2]))]
