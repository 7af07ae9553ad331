"""Rows of the table that tell what surfaces are made of, whatever the light.

Values are the material's own at the point that the ray through a pixel's centre meets first, textures, vertex
colours and factors included. What alpha cuts out is not met, and what is see-through is solid from an alpha
of 0.5 on. All of them are NaN where there is nothing, and where a material of the server's own scene is made
of anything but a Principled BSDF or an Emission, mixed with a Transparent BSDF or not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .table import Render, add_row
from .views import ViewRender

__all__: list[str] = []

_COLOUR: dict[str, Any] = {"channels": (3,), "components": "RGBA"}


def _albedo(render: ViewRender) -> NDArray[np.float32]:
    """The base colour, (height, width, 3) float32, linear Rec. 709, without any light; NaN = nothing.

    For an unlit material it is the colour that is shown.
    """
    return render.material.albedo


def _roughness(render: ViewRender) -> NDArray[np.float32]:
    """The roughness, (height, width) float32, from 0 to 1; NaN = nothing, or an unlit material."""
    return render.material.roughness


def _metallic(render: ViewRender) -> NDArray[np.float32]:
    """How metallic it is, (height, width) float32, from 0 to 1; NaN = nothing, or an unlit material."""
    return render.material.metallic


def _emission(render: ViewRender) -> NDArray[np.float32]:
    """The light that a surface emits, (height, width, 3) float32, linear Rec. 709; NaN = nothing.

    The strength is included; an unlit material emits nothing.
    """
    return render.material.emission


add_row("albedo", _albedo, "float32", "linear Rec. 709", render=Render.MATERIAL, **_COLOUR)
add_row("roughness", _roughness, "float32", "1", render=Render.MATERIAL, span=(0.0, 1.0))
add_row("metallic", _metallic, "float32", "1", render=Render.MATERIAL, span=(0.0, 1.0))
add_row("emission", _emission, "float32", "linear Rec. 709", render=Render.MATERIAL, **_COLOUR)
