"""Draws suns and lamps at random, and adds them to a scene."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from .choices import Choice, Range, check_within, draw, draw_whole
from .colours import drawn_colour
from .composition import Composition
from .shot import Document
from .site import Site

__all__ = ["PointLights", "Sun", "add_lights"]

_WHITE = (1.0, 1.0, 1.0)
_ALL_AROUND = Range(0.0, 360.0)
_MOST_LIGHTS = 100
_MOST_LUX = 1e9

Hue = Annotated[Choice, Meta(description="Hue of the light, 0 to 1: 0 is red, 1/3 green, 2/3 blue.")]
Saturation = Annotated[Choice, Meta(description="Saturation of the light's colour, 0 to 1; 0 is white.")]
Azimuth = Annotated[
    Choice,
    Meta(description="Azimuth, counter-clockwise as seen from above; 0 is the front, as for cameras."),
]


class Sun(Struct, frozen=True, forbid_unknown_fields=True):
    """A sun, far away. Each value is fixed, one of a list, or a number between min and max."""

    elevation_deg: Annotated[Choice, Meta(description="Elevation of the sun above the horizon.")] = Range(
        20, 70
    )
    azimuth_deg: Azimuth = _ALL_AROUND
    lux: Annotated[
        Choice,
        Meta(
            description="Illuminance of a surface that faces the sun. Lights that give 2 to 4 lux in "
            "all are shown as they are."
        ),
    ] = 3.0
    hue: Hue = 0.1
    saturation: Saturation = 0.0

    def __post_init__(self) -> None:
        check_within("elevation_deg", self.elevation_deg, -90, 90)
        check_within("azimuth_deg", self.azimuth_deg, -3600, 3600)
        _check_light(self.lux, self.hue, self.saturation)


class PointLights(Struct, frozen=True, forbid_unknown_fields=True):
    """Lamps around the scene, each drawn by itself. Values are as those of the sun."""

    count: Annotated[
        Choice, Meta(description="Number of point lights; in a range, each whole number is equally likely.")
    ] = 1.0
    distance: Annotated[
        Choice, Meta(description="Distance from the middle of the scene, in radii of its bounding sphere.")
    ] = Range(1.5, 3.0)
    elevation_deg: Annotated[
        Choice, Meta(description="Elevation of the lights above the horizontal plane.")
    ] = Range(10.0, 90.0)
    azimuth_deg: Azimuth = _ALL_AROUND
    lux: Annotated[
        Choice,
        Meta(description="Illuminance of a surface in the middle of the scene that faces one of the lights."),
    ] = 2.0
    hue: Hue = 0.1
    saturation: Saturation = 0.0

    def __post_init__(self) -> None:
        check_within("count", self.count, 0, _MOST_LIGHTS)
        check_within("distance", self.distance, 1e-6, 1e6)
        check_within("elevation_deg", self.elevation_deg, -90, 90)
        check_within("azimuth_deg", self.azimuth_deg, -3600, 3600)
        _check_light(self.lux, self.hue, self.saturation)


def add_lights(
    document: Document,
    sun: Sun | None,
    lamps: PointLights | None,
    rng: np.random.Generator,
    site: Site,
) -> tuple[Document, dict[str, Any]]:
    """Draw lights, and add them to a document.

    Parameters
    ----------
    document : Document
        The document of the site, possibly with other additions.
    sun : Sun or None
    lamps : PointLights or None
    rng : Generator
    site : Site

    Returns
    -------
    document : Document
        The same document if there are no lights to add.
    drawn : dict
        Drawn values, under the specification's keys.

    Raises
    ------
    SceneError
        Lamps are to be placed around a scene that shows nothing.
    """
    if sun is None and lamps is None:
        return document, {}
    composition = Composition()
    composition.add(document)
    drawn: dict[str, Any] = {}
    if sun is not None:
        drawn["sun"] = _add_sun(composition, sun, rng, site)
    if lamps is not None:
        count = draw_whole(lamps.count, rng)
        drawn["point_lights"] = [_add_lamp(composition, lamps, rng, site) for _ in range(count)]
    return composition.document(), drawn


def _add_sun(composition: Composition, sun: Sun, rng: np.random.Generator, site: Site) -> dict[str, Any]:
    azimuth, elevation = draw(sun.azimuth_deg, rng), draw(sun.elevation_deg, rng)
    lux, colour = draw(sun.lux, rng), drawn_colour(_WHITE, sun.hue, sun.saturation, None, rng)
    composition.add_sun(-site.direction(azimuth, elevation), lux, colour)
    return {"azimuth_deg": azimuth, "elevation_deg": elevation, "lux": lux, "colour": colour}


def _add_lamp(
    composition: Composition, lamps: PointLights, rng: np.random.Generator, site: Site
) -> dict[str, Any]:
    azimuth, elevation = draw(lamps.azimuth_deg, rng), draw(lamps.elevation_deg, rng)
    distance = draw(lamps.distance, rng) * site.bounds.radius
    lux, colour = draw(lamps.lux, rng), drawn_colour(_WHITE, lamps.hue, lamps.saturation, None, rng)
    position = site.bounds.center + distance * site.direction(azimuth, elevation)
    composition.add_point_light(position, 4 * math.pi * lux * distance**2, colour)
    return {"position": position.tolist(), "lux": lux, "colour": colour}


def _check_light(lux: Choice, hue: Choice, saturation: Choice) -> None:
    check_within("lux", lux, 0, _MOST_LUX)
    check_within("hue", hue, 0, 1)
    check_within("saturation", saturation, 0, 1)
