"""A floor with or without walls: its table of the specification, its geometry, and its meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ..choices import Choice, Patterns, Range, check_within, draw
from ..colours import drawn_colour
from ..composition import Composition, Paint
from ..item import CATEGORY
from ..site import read_image
from .context import Context

__all__ = ["Floor", "Square", "add_square", "squares"]

_WHITE = (1.0, 1.0, 1.0)

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class Floor(Struct, frozen=True, forbid_unknown_fields=True):
    """A square floor around the origin, with or without walls; each has a colour or a texture of its own."""

    size: Annotated[float, Meta(gt=0, le=1000, description="Length of the floor's sides in metres.")] = 4.0
    walls: Annotated[bool, Meta(description="Whether walls stand on all four sides of the floor.")] = True
    wall_height: Annotated[float, Meta(gt=0, le=1000, description="Height of the walls in metres.")] = 2.0
    textures: (
        Annotated[
            Patterns,
            Meta(description="Patterns of PNG and JPEG files, relative to the specification."),
        ]
        | None
    ) = None
    tiles: Annotated[Choice, Meta(description="Number of repetitions of a texture along a side.")] = 1.0
    hue: Annotated[Choice, Meta(description="Hue of surfaces without a texture, 0 to 1.")] = Range(0.0, 1.0)
    saturation: Annotated[Choice, Meta(description="Saturation of surfaces without a texture, 0 to 1.")] = (
        Range(0.0, 0.6)
    )
    value: Annotated[Choice, Meta(description="Value of surfaces without a texture, 0 to 1.")] = Range(
        0.3, 0.9
    )
    roughness: Annotated[Choice, Meta(description="Roughness of the surfaces, 0 to 1.")] = Range(0.4, 1.0)

    def __post_init__(self) -> None:
        check_within("tiles", self.tiles, 0.01, 1000)
        for name in ("hue", "saturation", "value", "roughness"):
            check_within(name, getattr(self, name), 0, 1)


@dataclass(frozen=True, eq=False)
class Square:
    """The floor, or one of its walls.

    Attributes
    ----------
    name : {"floor", "wall"}
    middle : (3,) float64
        Metres.
    across, along : (3,) float64
        From the middle to the right side, and to the upper side, as seen from the free side; metres.
    normal : (3,) float64
        Of length 1, on the free side.
    foot : (3,) float64
        The point of its plane that is nearest to the origin, metres.
    """

    name: Literal["floor", "wall"]
    middle: Vector
    across: Vector
    along: Vector
    normal: Vector
    foot: Vector


def squares(floor: Floor, axes: Matrix) -> list[Square]:
    """Return the floor, and its walls if it has any.

    Parameters
    ----------
    floor : Floor
    axes : (3, 3) float64
        The directions right, front and up, a row each.
    """
    half, height = floor.size / 2, floor.wall_height / 2
    right, front, up = axes
    origin = np.zeros(3)
    found = [Square("floor", origin, half * right, half * -front, up, origin)]
    for side in (-right, -front, right, front) if floor.walls else ():
        foot, across = half * side, half * np.cross(up, -side)
        found.append(Square("wall", foot + height * up, across, height * up, -side, foot))
    return found


def add_square(
    composition: Composition,
    square: Square,
    floor: Floor,
    textures: Sequence[Path],
    context: Context,
    rng: np.random.Generator,
) -> None:
    """Draw the material of the floor or of a wall, and add it as a mesh; it is background.

    Parameters
    ----------
    composition : Composition
    square : Square
    floor : Floor
        The choices of the material.
    textures : sequence of Path
        Files, one of which is drawn; empty = the surface has a colour.
    context : Context
    rng : Generator

    Raises
    ------
    DatasetError
        The texture cannot be read.
    RequestError
        The texture is neither PNG nor JPEG.
    """
    colour = drawn_colour(_WHITE, floor.hue, floor.saturation, floor.value, rng)
    roughness, tiles = draw(floor.roughness, rng), draw(floor.tiles, rng)
    paint = Paint((colour[0], colour[1], colour[2]), roughness=roughness)
    if textures:
        path = textures[int(rng.random() * len(textures))]
        paint = Paint(_WHITE, read_image(path, context.shown(path)), roughness)
    sides = np.array([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]])
    composition.add_mesh(
        square.middle + sides @ np.stack([square.across, square.along]),
        np.array([[0, 1, 2], [0, 2, 3]]),
        paint,
        square.name,
        texcoords=tiles * (sides * (1, -1) + 1) / 2,
        extras={CATEGORY: ""},
    )
