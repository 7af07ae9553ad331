"""What is on the table: a ball on a ramp, dominoes, and fruit that falls into a bowl.

The world is z-up, in metres. The table's top is z = 0; the camera looks along +y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydrake.geometry import Box, Convex, Cylinder, Ellipsoid, Mesh, Shape, Sphere
from pydrake.math import RigidTransform, RollPitchYaw

from tabletop import peel, produce, textures, wares
from tabletop.document import Material
from tabletop.shapes import Floats, Surface, curve, grid, lathe, pose, revolve, rounded_box

from .models import Models

__all__ = ["Body", "bodies"]

_FRONT, _BACK = -0.64, 0.44
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
"""Of the dominoes, first to last; sRGB."""

_WOOD_DENSITY, _FRUIT_DENSITY, _BRASS_DENSITY = 650.0, 900.0, 8500.0


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid body of the simulation.

    Attributes
    ----------
    name : str
    look : pydrake.geometry.Shape
        What cameras see.
    pose : RigidTransform
        At the start, in the world.
    solid : pydrake.geometry.Shape, optional
        What others bump into, about the body's origin; None = nothing.
    density : float, optional
        kg/m^3; None = fixed to the world.
    rgba : tuple of float, optional
        Colour of a look that brings no material.
    """

    name: str
    look: Shape
    pose: RigidTransform
    solid: Shape | None = None
    density: float | None = None
    rgba: tuple[float, float, float, float] | None = None


def bodies(models: Models, seed: int) -> list[Body]:
    """Return all that is on the table; another seed has other grain and glazes, and drops fruit otherwise."""
    rng = np.random.default_rng(seed)
    return [
        *_room(models, rng),
        *_tableware(models, rng),
        *_ramp_and_ball(models, rng),
        *_dominoes(models),
        *_pins(),
        *_fruit(models, rng),
    ]


def _room(models: Models, rng: np.random.Generator) -> Iterator[Body]:
    # a solid is about its body's origin, so the table's is below its top; a half space that is
    # no part of the world's own body crashes Drake's collision tree
    thick = 0.2
    [(surface, material)] = wares.table(textures.wood(rng, size=768), _FRONT, _BACK)
    board = models.gltf("table", ((surface.moved(pose(0, 0, thick / 2)), material),))
    yield Body("table", Mesh(board), _at(0, 0, -thick / 2), Box(1.8, 2.0, thick))
    plaster = textures.plaster(rng, (0.52, 0.58, 0.60), size=384)
    yield Body("wall", Mesh(models.gltf("wall", wares.wall(plaster, _BACK + 0.012))), _at(0, 0))


def _tableware(models: Models, rng: np.random.Generator) -> Iterator[Body]:
    clay = textures.clay(rng, (0.56, 0.42, 0.32))
    dark = textures.glaze(rng, (0.22, 0.285, 0.31), (0.46, 0.40, 0.31), breaks=(0.17, 0.50), size=256)
    oat = textures.glaze(rng, (0.86, 0.83, 0.77), (0.66, 0.53, 0.40), breaks=(0.36, 0.665), size=256)
    bowl = wares.bowl(dark, clay)
    solid = Mesh(models.obj("bowl", _coarse_bowl()))
    yield Body("bowl", Mesh(models.gltf("bowl", bowl)), _at(*_BOWL), solid)
    pot = wares.teapot(oat, clay, Material((0.30, 0.17, 0.075), 0.55))
    yield Body("teapot", Mesh(models.gltf("teapot", pot)), _at(-0.17, 0.22, yaw=-2.7))
    stick = wares.candlestick(wares.brushed_brass(rng), Material((0.80, 0.72, 0.56), 0.5))
    yield Body("candlestick", Mesh(models.gltf("candlestick", stick)), _at(-0.33, 0.27))


def _ramp_and_ball(models: Models, rng: np.random.Generator) -> Iterator[Body]:
    wedge = models.obj("ramp", _wedge(_RAMP_SIZE))
    yield Body("ramp", Mesh(wedge), _at(*_RAMP), Convex(wedge), rgba=(0.20, 0.29, 0.36, 1.0))
    ball = models.gltf("ball", ((_globe(_BALL_RADIUS), wares.brushed_brass(rng)),))
    start = _at(
        _RAMP[0] - 0.055, _RAMP[1], _RAMP_SIZE[2] * (0.5 + 0.055 / _RAMP_SIZE[0]) + 1.12 * _BALL_RADIUS
    )
    yield Body("ball", Mesh(ball), start, Sphere(_BALL_RADIUS), _BRASS_DENSITY)


def _dominoes(models: Models) -> Iterator[Body]:
    line = curve(_RUN, 400)
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    count = int(length / _DOMINO_GAP)
    places = curve(_RUN, count)
    headings = np.arctan2(*np.gradient(places, axis=0).T[::-1])
    shape = rounded_box(_DOMINO, 0.0018, steps=2)
    for number, (place, heading) in enumerate(zip(places, headings, strict=True)):
        look = Mesh(models.gltf(f"domino_{number + 1}", ((shape, _paint(number / (count - 1))),)))
        start = _at(place[0], place[1], _DOMINO[2] / 2, yaw=heading)
        yield Body(f"domino_{number + 1}", look, start, Box(*_DOMINO), _WOOD_DENSITY)


def _pins() -> Iterator[Body]:
    """Stand skittles where the last domino falls: Drake's own shape, in a plain colour."""
    for number, (x, y) in enumerate(_PINS, start=1):
        pin = Cylinder(0.014, 0.075)
        yield Body(f"pin_{number}", pin, _at(x, y, 0.0375), pin, _WOOD_DENSITY, (0.86, 0.82, 0.74, 1.0))


def _fruit(models: Models, rng: np.random.Generator) -> Iterator[Body]:
    orange_peel = peel.citrus(rng, (0.90, 0.47, 0.10), (0.80, 0.36, 0.06), 1.1)
    lemon_peel = peel.citrus(rng, (0.93, 0.77, 0.20), (0.84, 0.66, 0.16), 0.9)
    stalk = Material((0.10, 0.09, 0.03), 0.7)
    orange = models.gltf("orange", produce.orange(orange_peel, stalk, 0.0385))
    lemon = models.gltf("lemon", produce.lemon(lemon_peel, 0.0275))
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


def _paint(part: float) -> Material:
    """Return a paint from coral over amber to blue, by the place in the row, 0..1."""
    places = np.linspace(0, 1, len(_PAINTS))
    red, green, blue = (float(np.interp(part, places, channel)) for channel in np.array(_PAINTS).T)
    return Material((red**2.2, green**2.2, blue**2.2), 0.32)


def _coarse_bowl() -> Surface:
    """Return what fruit bumps into: each triangle it touches costs time."""
    angle = np.radians(np.linspace(68, 0, 9))
    inside = np.stack([0.135 * np.sin(angle), 0.15 - 0.135 * np.cos(angle)], axis=-1)
    return grid(revolve(np.concatenate([[(0, 0), (0.047, 0), (0.1288, 0.1005)], inside]), 24), wrap=True)


def _globe(radius: float) -> Surface:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 41)
    return lathe(radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1), 64)


def _wedge(size: tuple[float, float, float]) -> Surface:
    """Return a prism that falls along +x, its middle on the ground at the origin."""
    length, width, height = size
    corners = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-1, -1, 1), (-1, 1, 1)]
    positions: Floats = np.array(corners) * (length / 2, width / 2, height)
    triangles = [(0, 2, 1), (0, 3, 2), (0, 1, 4), (2, 3, 5), (0, 4, 5), (0, 5, 3), (1, 2, 5), (1, 5, 4)]
    return Surface(positions, np.array(triangles))
