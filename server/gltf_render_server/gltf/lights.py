"""Punctual lights: their placements and properties, with defaults for properties that a document omits.

Source: KHR_lights_punctual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ..scene import LightPlacement
from . import schema
from .content import Content
from .decoding import schema_error
from .extensions import LIGHTS
from .graph import Graph

__all__ = ["Light", "place_lights", "read_light"]

_TYPES = ("directional", "point", "spot")
_BRIGHTEST = 1e15  # larger intensities would overflow single precision
_SMALLEST_CONE_RAD = 1e-3


@dataclass(frozen=True)
class Light:
    """The properties of a light that shines along -z.

    Attributes
    ----------
    type : {"directional", "point", "spot"}
    colour : tuple of float
        Linear red, green and blue.
    intensity : float
        Lux for a directional light, candela for other lights.
    inner_rad, outer_rad : float
        The angles from a spot's axis at which its light begins to fade, and at which it ends.
    """

    type: Literal["directional", "point", "spot"]
    colour: tuple[float, float, float]
    intensity: float
    inner_rad: float
    outer_rad: float


def place_lights(document: schema.Document, graph: Graph, warnings: list[str]) -> tuple[LightPlacement, ...]:
    """Find the lights in the default scene. Messages about dropped lights are added to `warnings`.

    Raises
    ------
    SceneError
        A light is invalid.
    """
    lights = _member(_member(document.extensions, LIGHTS), "lights")
    count = len(lights) if isinstance(lights, list) else 0
    placed = []
    for index in graph.order:
        extension = _member(document.nodes[index].extensions, LIGHTS)
        if extension is None or index in graph.hidden:
            continue
        light = _member(extension, "light")
        if type(light) is int and 0 <= light < count and isinstance(lights[light], dict):
            if lights[light].get("type") not in _TYPES:
                warnings.append(f"nodes[{index}]: its light is of no type that glTF has; dropped")
                continue
            _check_light(lights[light], f"$.extensions.{LIGHTS}.lights[{light}]")
            placed.append(LightPlacement(light, graph.rigid(index)))
        else:
            warnings.append(f"nodes[{index}]: its light is not there; dropped")
    return tuple(placed)


def read_light(content: Content, light: int) -> Light:
    """Return the properties of one of a document's lights, which `place_lights` has checked."""
    extensions: dict[str, Any] = content.source.extensions or {}
    source = msgspec.convert(extensions[LIGHTS]["lights"][light], schema.Light)
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


def _check_light(light: dict[str, Any], where: str) -> None:
    try:
        msgspec.convert(light, schema.Light)
    except msgspec.ValidationError as error:
        raise schema_error(error, where) from None


def _member(value: object, name: str) -> Any:
    """Return a member of a value that may not be an object, because extensions are not in the schema."""
    return value.get(name) if isinstance(value, dict) else None
