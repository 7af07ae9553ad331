"""Adds a background with an image to a scene: a dome around it, a wall behind it, or a ground below."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from .choices import Choice, Patterns, Range, check_within, draw
from .composition import Composition, Paint
from .item import CATEGORY
from .site import Site

__all__ = ["Background", "add_background"]

_COLUMNS, _ROWS = 96, 48  # of a dome
_GAP = 1e-3  # of the scene's radius, by which a ground is below it
_NAME = "background"
_DISTANCES = {"dome": 10.0, "wall": 3.0, "ground": 10.0}
_GLOWS = {"dome": 1.0, "wall": 0.0, "ground": 0.0}

Floats = NDArray[np.float64]


class Background(Struct, frozen=True, forbid_unknown_fields=True):
    """A surface with an image; it is background, and belongs to no category."""

    images: Annotated[
        Patterns,
        Meta(
            description="Glob patterns of PNG and JPEG files, relative to the specification; one "
            "file is drawn at random."
        ),
    ]
    kind: Annotated[
        Literal["dome", "wall", "ground"],
        Meta(
            description="The kind of background. dome: a sphere around the scene with an equirectangular "
            "image, which hides the environment and the sun; wall: an upright image behind the "
            "scene; ground: an image below it."
        ),
    ] = "ground"
    distance: (
        Annotated[
            Choice,
            Meta(
                description="Size of the background, and distance of a wall, in radii of the "
                "scene's bounding sphere. Default: 10 for a dome and a ground, 3 for a wall."
            ),
        ]
        | None
    ) = None
    azimuth_deg: Annotated[
        Choice,
        Meta(
            description="Rotation about the vertical axis, which also says on which side a wall "
            "stands; 0 is the front."
        ),
    ] = Range(0, 360)
    tiles: Annotated[
        Choice, Meta(description="Number of repetitions of the image along a wall or a ground.")
    ] = 1.0
    glow: (
        Annotated[
            Choice,
            Meta(
                description="Brightness that the background emits; 0 = it is lit like other "
                "surfaces. Default: 1 for a dome, 0 for the others."
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        check_within("distance", self.distance, 0.1, 1e5)
        check_within("azimuth_deg", self.azimuth_deg, -3600, 3600)
        check_within("tiles", self.tiles, 0.01, 1000)
        check_within("glow", self.glow, 0, 1000)


class _Surface(NamedTuple):
    """Points, (n, 3), with axes right, front and up, and their triangles and texture coordinates."""

    points: Floats
    triangles: NDArray[np.intp]
    texcoords: Floats


def add_background(
    composition: Composition, choices: Background, rng: np.random.Generator, site: Site
) -> dict[str, Any]:
    """Draw a background, add it, and return the drawn values.

    Raises
    ------
    DatasetError
        No file matches, or the image cannot be read.
    RequestError
        The image is neither PNG nor JPEG.
    SceneError
        The scene shows nothing.
    """
    paths = site.files(choices.images, "vary.background.images")
    path = paths[int(rng.random() * len(paths))]
    kind = choices.kind
    distance = draw(_DISTANCES[kind] if choices.distance is None else choices.distance, rng)
    glow = draw(_GLOWS[kind] if choices.glow is None else choices.glow, rng)
    azimuth, tiles = draw(choices.azimuth_deg, rng), draw(choices.tiles, rng)
    size = distance * site.bounds.radius
    middle = site.bounds.center
    surface = _dome() if kind == "dome" else _square(tiles, is_upright=kind == "wall")
    if kind == "wall":
        middle = middle - size * site.direction(azimuth, 0)
    if kind == "ground":
        lowest = min(site.bounds.low @ site.up, site.bounds.high @ site.up)
        middle = middle + (lowest - _GAP * site.bounds.radius - middle @ site.up) * site.up
    axes = np.stack([site.direction(azimuth + 90, 0), site.direction(azimuth, 0), site.up])
    composition.add_mesh(
        size * surface.points @ axes + middle,
        surface.triangles,
        Paint(image=site.image(path), glow=glow),
        _NAME,
        texcoords=surface.texcoords,
        extras={CATEGORY: ""},
    )
    drawn = {"kind": kind, "image": site.shown(path), "distance": distance, "azimuth_deg": azimuth}
    return {**drawn, "glow": glow, **({} if kind == "dome" else {"tiles": tiles})}


def _square(tiles: float, *, is_upright: bool) -> _Surface:
    """Return a square from -1 to 1 that faces up, or to the front if it is upright."""
    sides = np.array([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]])
    texcoords = tiles * (sides * (1, -1) + 1) / 2
    points = np.zeros((4, 3))
    points[:, 0] = sides[:, 0]
    points[:, 2 if is_upright else 1] = sides[:, 1] if is_upright else -sides[:, 1]
    return _Surface(points, np.array([[0, 1, 2], [0, 2, 3]]), texcoords)


def _dome() -> _Surface:
    """Return a sphere that faces inwards; the middle of an equirectangular image is at the back."""
    column, row = np.meshgrid(np.linspace(0, 1, _COLUMNS + 1), np.linspace(0, 1, _ROWS + 1))
    azimuth, elevation = math.tau * (0.5 - column) + math.pi, math.pi * (0.5 - row)
    level = np.cos(elevation)
    points = np.stack([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)], -1)
    first = (np.arange(_ROWS)[:, None] * (_COLUMNS + 1) + np.arange(_COLUMNS)).reshape(-1)
    below = first + _COLUMNS + 1
    quads = [np.stack([first, below, below + 1], 1), np.stack([first, below + 1, first + 1], 1)]
    return _Surface(points.reshape(-1, 3), np.concatenate(quads), np.stack([column, row], -1).reshape(-1, 2))
