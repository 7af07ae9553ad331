"""Punctual lights: what a document says of them, with what it leaves out filled in.

Source: KHR_lights_punctual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from . import schema
from .extensions import LIGHTS

if TYPE_CHECKING:
    from .document import Scene

__all__ = ["Light", "read_light"]

_BRIGHTEST = 1e15  # more would leave single precision no room
_SMALLEST_CONE_RAD = 1e-3


@dataclass(frozen=True)
class Light:
    """A light that shines along -z, wherever it stands.

    Attributes
    ----------
    type : {"directional", "point", "spot"}
    colour : tuple of float
        Linear red, green and blue.
    intensity : float
        Lux of a directional light, else candela.
    inner_rad, outer_rad : float
        The angles from the axis of a spot at which it begins to fade, and ends.
    """

    type: Literal["directional", "point", "spot"]
    colour: tuple[float, float, float]
    intensity: float
    inner_rad: float
    outer_rad: float


def read_light(scene: Scene, placement: int) -> Light:
    """Read what one of ``scene.lights`` sheds."""
    extensions: dict[str, Any] = scene.source.extensions or {}
    source = msgspec.convert(extensions[LIGHTS]["lights"][scene.lights[placement].light], schema.Light)
    spot = source.spot or schema.Spot()
    outer = max(spot.outer_cone_angle, _SMALLEST_CONE_RAD)
    red, green, blue = (max(channel, 0.0) for channel in source.color or (1.0, 1.0, 1.0))
    return Light(
        source.type,
        (red, green, blue),
        min(1.0 if source.intensity is None else source.intensity, _BRIGHTEST),
        min(spot.inner_cone_angle, 0.999 * outer),
        min(outer, math.pi / 2),
    )
