"""The bodies on the table: a ball on a ramp, dominoes, and fruit that falls into a bowl.

The world is z-up, in metres. The top of the table is at z = 0. The camera looks along +y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray
from pydrake.geometry import Box, Convex, Cylinder, Ellipsoid, Mesh, Shape, Sphere
from pydrake.math import RigidTransform, RollPitchYaw

from .models import Models, rounded_box

__all__ = ["Body", "bodies"]

_FRONT, _BACK = -0.64, 0.44
_STILL_LIFE_FRONT = -0.36
_BOWL = (0.09, 0.06)
_RAMP = (-0.31, -0.13)
_RAMP_SIZE = (0.17, 0.07, 0.085)
_BALL_RADIUS = 0.024
_DOMINO = (0.013, 0.044, 0.088)
_DOMINO_GAP = 0.041
_RUN = [(-0.19, -0.13), (-0.04, -0.19), (0.14, -0.19), (0.31, -0.16), (0.37, 0.0), (0.34, 0.16), (0.29, 0.24)]
_PINS = [(0.265, 0.29), (0.225, 0.30), (0.275, 0.335)]

_PAINTS = [
    (0.78, 0.22, 0.20),
    (0.90, 0.45, 0.22),
    (0.93, 0.73, 0.32),
    (0.50, 0.70, 0.52),
    (0.16, 0.50, 0.60),
    (0.14, 0.24, 0.46),
]
"""Colours of the dominoes, first to last; sRGB."""

_WOOD_DENSITY, _FRUIT_DENSITY, _BRASS_DENSITY = 650.0, 900.0, 8500.0


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid body of the simulation.

    Attributes
    ----------
    name : str
    look : pydrake.geometry.Shape
        The visible shape.
    pose : RigidTransform
        The initial pose in the world.
    solid : pydrake.geometry.Shape, optional
        The collision shape, around the body's origin; None = no collisions.
    density : float, optional
        The density, kg/m^3; None = fixed to the world.
    rgba : tuple of float, optional
        The colour of a shape without materials.
    """

    name: str
    look: Shape
    pose: RigidTransform
    solid: Shape | None = None
    density: float | None = None
    rgba: tuple[float, float, float, float] | None = None


def bodies(models: Models, seed: int) -> list[Body]:
    """Return all bodies on the table. The seed determines how the fruit falls."""
    return [
        *_room(models),
        *_tableware(models),
        *_ramp_and_ball(models),
        *_dominoes(models),
        *_pins(),
        *_fruit(models, np.random.default_rng(seed)),
    ]


def _room(models: Models) -> Iterator[Body]:
    # A collision shape is centred on the body's origin, so the table's origin is below its top. A half space
    # that does not belong to the world body crashes Drake's collision tree.
    thick = 0.2
    deeper = np.diag([1.0, (_BACK - _FRONT) / (_BACK - _STILL_LIFE_FRONT), 1.0, 1.0])
    deeper[1:3, 3] = _BACK * (1 - deeper[1, 1]), thick / 2
    board = Mesh(models.still_life("table", deeper))
    yield Body("table", board, _at(0, 0, -thick / 2), Box(1.8, 2.0, thick))
    yield Body("wall", Mesh(models.still_life("wall")), _at(0, 0))


def _tableware(models: Models) -> Iterator[Body]:
    solid = Mesh(models.obj("bowl", _coarse_bowl()))
    yield Body("bowl", Mesh(models.still_life("bowl")), _at(*_BOWL), solid)
    yield Body("teapot", Mesh(models.still_life("teapot")), _at(-0.17, 0.22, yaw=-2.7))
    yield Body("candlestick", Mesh(models.still_life("candlestick")), _at(-0.33, 0.27))


def _ramp_and_ball(models: Models) -> Iterator[Body]:
    wedge = models.obj("ramp", _wedge(_RAMP_SIZE))
    yield Body("ramp", Mesh(wedge), _at(*_RAMP), Convex(wedge), rgba=(0.20, 0.29, 0.36, 1.0))
    globe = rounded_box([2 * _BALL_RADIUS] * 3, _BALL_RADIUS, subdivisions=4)
    ball = models.painted("ball", globe, (0.56, 0.36, 0.12), metallicFactor=1.0, roughnessFactor=0.25)
    start = _at(
        _RAMP[0] - 0.055, _RAMP[1], _RAMP_SIZE[2] * (0.5 + 0.055 / _RAMP_SIZE[0]) + 1.12 * _BALL_RADIUS
    )
    yield Body("ball", Mesh(ball), start, Sphere(_BALL_RADIUS), _BRASS_DENSITY)


def _dominoes(models: Models) -> Iterator[Body]:
    places = _along(_RUN, _DOMINO_GAP)
    headings = np.arctan2(*np.gradient(places, axis=0).T[::-1])
    shape = rounded_box(_DOMINO, 0.0018)
    for number, (place, heading) in enumerate(zip(places, headings, strict=True), start=1):
        paint = _paint((number - 1) / (len(places) - 1))
        look = Mesh(models.painted(f"domino_{number}", shape, paint, roughnessFactor=0.32))
        start = _at(place[0], place[1], _DOMINO[2] / 2, yaw=heading)
        yield Body(f"domino_{number}", look, start, Box(*_DOMINO), _WOOD_DENSITY)


def _pins() -> Iterator[Body]:
    """Place skittles where the last domino falls. They have a shape of Drake's and a plain colour."""
    for number, (x, y) in enumerate(_PINS, start=1):
        pin = Cylinder(0.014, 0.075)
        yield Body(f"pin_{number}", pin, _at(x, y, 0.0375), pin, _WOOD_DENSITY, (0.86, 0.82, 0.74, 1.0))


def _fruit(models: Models, rng: np.random.Generator) -> Iterator[Body]:
    orange, lemon = models.still_life("orange_1"), models.still_life("lemon")
    kinds = [(orange, Sphere(0.038), "orange")] * 4 + [(lemon, Ellipsoid(0.028, 0.028, 0.04), "lemon")] * 2
    for number, (path, solid, name) in enumerate(kinds):
        pair, side = divmod(number, 2)
        angle = 2.0 * pair + np.pi * side + rng.uniform(-0.4, 0.4)
        x, y = np.add(_BOWL, 0.05 * np.array([np.cos(angle), np.sin(angle)]))
        turned = RollPitchYaw(rng.uniform(0, np.pi), 0, rng.uniform(-np.pi, np.pi))
        start = RigidTransform(turned, np.array([x, y, 0.15 + 0.085 * pair]))
        yield Body(f"{name}_{number + 1}", Mesh(path), start, solid, _FRUIT_DENSITY)


def _at(x: float, y: float, z: float = 0.0, *, yaw: float = 0.0) -> RigidTransform:
    return RigidTransform(RollPitchYaw(0, 0, yaw), np.array([x, y, z]))


def _paint(part: float) -> tuple[float, float, float]:
    """Return a linear colour from coral over amber to blue, by the position in the row, 0..1."""
    places = np.linspace(0, 1, len(_PAINTS))
    red, green, blue = (float(np.interp(part, places, channel)) for channel in np.array(_PAINTS).T)
    return red**2.2, green**2.2, blue**2.2


def _along(corners: list[tuple[float, float]], gap_m: float) -> NDArray[np.float64]:
    """Return equidistant points on the curve that Chaikin's algorithm makes of `corners` (n, 2), metres."""
    line = np.array(corners)
    for _ in range(5):
        a, b = line[:-1], line[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    ways = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0, ways[-1], int(ways[-1] / gap_m))
    return np.stack([np.interp(wanted, ways, axis) for axis in line.T], axis=-1)


def _coarse_bowl() -> trimesh.Trimesh:
    """Return the collision shape of the bowl. It is coarse, because each triangle in contact takes time."""
    angle = np.radians(np.linspace(68, 0, 9))
    inside = np.stack([0.135 * np.sin(angle), 0.15 - 0.135 * np.cos(angle)], axis=-1)
    section = np.concatenate([[(0, 0), (0.047, 0), (0.1288, 0.1005)], inside])
    return trimesh.creation.revolve(section, sections=24)


def _wedge(size: tuple[float, float, float]) -> trimesh.Trimesh:
    """Return a prism that slopes down along +x, with its centre on the ground at the origin."""
    length, width, height = size
    corners = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-1, -1, 1), (-1, 1, 1)]
    triangles = [(0, 2, 1), (0, 3, 2), (0, 1, 4), (2, 3, 5), (0, 4, 5), (0, 5, 3), (1, 2, 5), (1, 5, 4)]
    return trimesh.Trimesh(np.multiply(corners, (length / 2, width / 2, height)), triangles)
