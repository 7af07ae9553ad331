"""Reads the label that is encoded in a material."""

from __future__ import annotations

from ..labels import DO_NOT_RENDER, DONT_CARE, NO_LABEL
from ..scene import Colour
from . import schema

__all__ = ["label_colour"]


def label_colour(document: schema.Document, material: int | None) -> Colour | None:
    """Return the label of a material.

    Drake writes it as ``baseColorFactor``, and in merged files also as ``emissiveFactor``, in bytes / 255.

    Returns
    -------
    (red, green, blue) or None
        The label's colour. None means "do not render". White means "don't care", or that there is no label.
    """
    if material is None:
        return NO_LABEL
    red, green, blue = (round(255 * value) for value in _factor(document.materials[material]))
    label = red + 256 * green
    if label == DO_NOT_RENDER:
        return None
    return NO_LABEL if label == DONT_CARE else (red, green, blue)


def _factor(material: schema.Material) -> list[float]:
    pbr = material.pbr_metallic_roughness
    if pbr is not None and pbr.base_color_factor is not None:
        return pbr.base_color_factor[:3]
    return material.emissive_factor or [1.0, 1.0, 1.0]
