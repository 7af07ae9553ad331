"""The label that a material carries."""

from __future__ import annotations

from ..labels import DO_NOT_RENDER, DONT_CARE, NO_LABEL
from ..scene import Colour
from . import schema

__all__ = ["label_colour"]


def label_colour(document: schema.Document, material: int | None) -> Colour | None:
    """Read a label.

    Drake writes it as ``baseColorFactor``, in merged files as ``emissiveFactor``, too, as bytes / 255.

    Returns
    -------
    (red, green, blue) or None
        None = "do not render". White where there is no label, or where it is "don't care".
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
