"""Converts the client's lights to Blender's.

A watt corresponds to a lumen, as in glTF viewers: pi lux make a white surface appear white.
"""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np

from ..gltf import Light
from .importing import Part

__all__ = ["make_light"]

_TYPES: dict[str, Any] = {"directional": "SUN", "point": "POINT", "spot": "SPOT"}
_SUN_ANGLE_RAD = math.radians(0.526)  # the Sun's angular diameter, seen from the Earth


def make_light(light: Light, scale: float) -> Part[bpy.types.Light]:
    """Make a light whose intensity is multiplied by `scale`.

    As in glTF, it shines along -z, from a single point or from infinity.
    """
    data: Any = bpy.data.lights.new("glTF Client Light", _TYPES[light.type])
    data.color = light.colour
    data.energy = scale * light.intensity
    if light.type == "directional":
        data.angle = _SUN_ANGLE_RAD
        return Part(data, np.eye(4))
    data.energy *= 4 * math.pi  # from candela to the total over all directions
    data.shadow_soft_size = 0.0
    if light.type == "spot":
        data.spot_size = 2 * light.outer_rad
        inner, outer = math.cos(light.inner_rad), math.cos(light.outer_rad)
        # the fraction of the cone's height over which Blender fades
        data.spot_blend = (inner - outer) / (1 - outer)
    return Part(data, np.eye(4))
