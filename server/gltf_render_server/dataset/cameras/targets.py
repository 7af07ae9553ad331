"""What cameras look at: the middle of the scene, a point, a point of a box, or an object."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from ...errors import RequestError
from ..choices import Range, draw
from .bounds import bounds, object_bounds
from .setting import Angle, Elevation, Point, Setting, Target, check_ends

__all__ = ["BoxTarget", "DirectionTarget", "ObjectTarget", "PointTarget", "draw_in_box", "find_target"]

_ANY = "*?["


class ObjectTarget(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="object"):
    """The middle of an object; where several have such a name, one of them is drawn."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description="Name of the object's node. * stands for any characters and ? for any one character, "
            'as in "chair*".',
        ),
    ] = "*"

    @property
    def is_random(self) -> bool:
        """Whether several objects may have the name."""
        return any(letter in self.name for letter in _ANY)

    def find(self, setting: Setting) -> Target:
        """Return the object.

        Raises
        ------
        RequestError
            None has the name.
        """
        scene = setting.scene
        names = [scene.asset.node_name(node) for node in scene.instances.node.tolist()]
        shown = set(scene.placements.instance.tolist())
        found = [index for index, name in enumerate(names) if index in shown and fnmatchcase(name, self.name)]
        if not found:
            known = (
                ", ".join(repr(name[:40]) for name in [*dict.fromkeys(filter(None, names))][:10]) or "none"
            )
            raise RequestError(
                f"target: no object in the scene is named {self.name[:40]!r}; the named objects are {known}"
            )
        instance = found[int(setting.rng.random() * len(found))] if len(found) > 1 else found[0]
        extent = object_bounds(scene, instance)
        return Target(extent.center, extent.radius, instance)


class BoxTarget(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="box"):
    """A point that is drawn in a box."""

    min: Point
    max: Point
    is_random = True

    def __post_init__(self) -> None:
        check_box(self.min, self.max)

    def find(self, setting: Setting) -> Target:
        """Draw the point."""
        return _point(draw_in_box(self.min, self.max, setting.rng), setting)


class DirectionTarget(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="direction"):
    """Nothing in particular: the camera looks into a direction that is drawn."""

    elevation_deg: Annotated[
        Elevation | Annotated[list[Elevation], Meta(min_length=1, max_length=1000)] | Range,
        Meta(
            description="Elevation above the horizontal plane: a number, a list to choose from, or a range."
        ),
    ] = Range(-30, 30)
    azimuth_deg: Annotated[
        Angle | Annotated[list[Angle], Meta(min_length=1, max_length=1000)] | Range,
        Meta(description="Azimuth, counter-clockwise as seen from above; 0 is the world's front."),
    ] = Range(0, 360)

    def __post_init__(self) -> None:
        check_ends("elevation_deg", self.elevation_deg, -90.001, 90.001)
        check_ends("azimuth_deg", self.azimuth_deg, -3600, 3600)

    def find(self, setting: Setting) -> tuple[float, float]:
        """Draw azimuth and elevation in radians."""
        azimuth, elevation = draw(self.azimuth_deg, setting.rng), draw(self.elevation_deg, setting.rng)
        return float(np.radians(azimuth)), float(np.radians(elevation))


PointTarget = Point | Literal["middle"] | ObjectTarget | BoxTarget


def is_random(target: PointTarget | DirectionTarget) -> bool:
    """Return whether a part of a target is drawn at random."""
    if isinstance(target, DirectionTarget):
        return True
    return isinstance(target, ObjectTarget | BoxTarget) and target.is_random


def find_target(target: PointTarget, setting: Setting) -> Target:
    """Return the target of a camera.

    Raises
    ------
    RequestError
        No object has the name that is given.
    SceneError
        It is the middle of a scene that shows nothing.
    """
    if isinstance(target, ObjectTarget | BoxTarget):
        return target.find(setting)
    if target == "middle":
        extent = bounds(setting.scene)
        return Target(extent.center, extent.radius)
    return _point(np.array(target, float), setting)


def check_box(low: Point, high: Point) -> None:
    """Check the corners of a box.

    Raises
    ------
    ValueError
    """
    for axis, least, most in zip("xyz", low, high, strict=True):
        if least > most:
            raise ValueError(
                f"min, max: min ({least:g}) must not be greater than max ({most:g}) along {axis}"
            )


def draw_in_box(low: Point | np.ndarray, high: Point | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a point of a box, (3,)."""
    return np.array([a + (b - a) * rng.random() for a, b in zip(low, high, strict=True)], float)


def _point(point: np.ndarray, setting: Setting) -> Target:
    """Return a point as the target; the sphere around it contains the whole scene."""
    if not len(setting.scene.placements):
        return Target(point, 0.0)
    extent = bounds(setting.scene)
    return Target(point, extent.radius + float(np.linalg.norm(point - extent.center)))
