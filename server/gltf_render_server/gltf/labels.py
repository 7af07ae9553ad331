"""The label colours that a label request's materials carry."""

from __future__ import annotations

import logging

from ..labels import DO_NOT_RENDER, DONT_CARE, NO_LABEL, Colour
from . import schema
from .document import Scene

__all__ = ["label_colours", "warn_of_unlabelled"]

_logger = logging.getLogger(__name__)


def label_colours(scene: Scene) -> list[Colour | None]:
    """Read the label of every primitive from its material.

    Drake writes a label as ``baseColorFactor``, in merged files as ``emissiveFactor``, too, as bytes / 255.

    Returns
    -------
    list of (red, green, blue) or None
        For each of ``scene.primitives``; None = "do not render". White where there is no label, or where
        it is "don't care".
    """
    return [_label_colour(scene.source, primitive.material) for primitive in scene.primitives]


def warn_of_unlabelled(scene: Scene) -> None:
    """Log what a label image must show white although it is the client's."""
    for primitive in scene.primitives:
        if primitive.material is None:
            _logger.warning(
                "scene: $.meshes[%d].primitives[%d]: has no material, so no label; it is painted white",
                primitive.mesh,
                primitive.number,
            )


def _label_colour(document: schema.Document, material: int | None) -> Colour | None:
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
