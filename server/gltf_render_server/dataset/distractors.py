"""Adds distractors: objects around a scene that a network is to learn to ignore."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ..errors import SceneError
from ..gltf.placing import ONE_OBJECT
from .cameras import bounds
from .cameras.setting import Point
from .choices import Choice, Patterns, Range, check_within, draw, draw_whole
from .composition import Composition
from .embedding import read_document
from .item import CATEGORY
from .randomness import unit_quaternion, unit_vector
from .site import Site

__all__ = ["Distractors", "add_distractors"]

_MOST = 1000
_MOST_TRIES = 100
_NAME = "distractor"

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class Box(Struct, frozen=True, forbid_unknown_fields=True):
    """A box along the world's axes."""

    min: Point
    max: Point

    def __post_init__(self) -> None:
        if any(low > high for low, high in zip(self.min, self.max, strict=True)):
            raise ValueError("min must not be greater than max")


class Distractors(Struct, frozen=True, forbid_unknown_fields=True):
    """Objects of other files, turned any way, and not inside one another."""

    files: Annotated[
        Patterns,
        Meta(description="Glob patterns of GLB and glTF files, relative to the specification."),
    ]
    count: Annotated[
        Choice,
        Meta(
            description="Number of distractors in each scene; in a range, each whole number is equally "
            "likely."
        ),
    ] = Range(1, 5)
    size: Annotated[
        Choice,
        Meta(description="Longest side of each one's bounding box, in radii of the scene's bounding sphere."),
    ] = Range(0.1, 0.5)
    distance: Annotated[
        Choice,
        Meta(
            description="Distance from the scene's centre to the nearest point of each one's "
            "bounding sphere, in radii of the scene's bounding sphere; from 1 on, none reaches into "
            "the scene."
        ),
    ] = Range(1.0, 2.0)
    box: Annotated[
        Box | None, Meta(description="Box in which each one's centre is drawn, which overrides distance.")
    ] = None
    category: (
        Annotated[
            str,
            Meta(min_length=1, description="Category of all distractors. Default: they are background."),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        check_within("count", self.count, 0, _MOST)
        check_within("size", self.size, 1e-6, 1e6)
        check_within("distance", self.distance, 0, 1e6)


def add_distractors(
    composition: Composition, choices: Distractors, rng: np.random.Generator, site: Site
) -> list[dict[str, Any]]:
    """Draw distractors and add them.

    Parameters
    ----------
    composition : Composition
    choices : Distractors
    rng : Generator
    site : Site

    Returns
    -------
    list of dict
        For each distractor: the name of its node, its file relative to the specification's folder, and its
        matrix.

    Raises
    ------
    DatasetError
        No file matches.
    SceneError
        A file cannot be shown, or the scene shows nothing.
    """
    paths = site.files(choices.files, "vary.distractors.files")
    taken: list[tuple[Vector, float]] = []
    drawn = []
    for _ in range(draw_whole(choices.count, rng)):
        path = paths[int(rng.random() * len(paths))]
        try:
            document = read_document(path)
            own = bounds(site.read(document).scene())
        except SceneError as error:
            raise SceneError(f"the distractor {site.shown(path)}: {error.message}", error.where) from None
        longest = float((own.high - own.low).max())
        scale = draw(choices.size, rng) * site.bounds.radius / max(longest, 1e-9)
        turn = _turn(rng)
        middle = _free_place(choices, scale * own.radius, taken, rng, site)
        taken.append((middle, scale * own.radius))
        matrix = np.eye(4)
        matrix[:3, :3] = scale * turn
        matrix[:3, 3] = middle - matrix[:3, :3] @ own.center
        extras = {CATEGORY: choices.category or "", ONE_OBJECT: True}
        name = composition.add(document, _NAME, matrix, extras).root
        drawn.append({"name": name, "file": site.shown(path), "matrix": matrix.ravel().tolist()})
    return drawn


def _free_place(
    choices: Distractors,
    radius: float,
    taken: list[tuple[Vector, float]],
    rng: np.random.Generator,
    site: Site,
) -> Vector:
    """Draw the middle of a sphere that overlaps no earlier one, if one is found within some tries."""
    place = np.zeros(3)
    for _ in range(_MOST_TRIES):
        place = _place(choices, radius, rng, site)
        if all(np.linalg.norm(place - other) >= radius + reach for other, reach in taken):
            break
    return place


def _place(choices: Distractors, radius: float, rng: np.random.Generator, site: Site) -> Vector:
    if choices.box is not None:
        shares = np.array([rng.random() for _ in range(3)])
        return choices.box.min + shares * np.subtract(choices.box.max, choices.box.min)
    distance = draw(choices.distance, rng) * site.bounds.radius + radius
    return site.bounds.center + distance * unit_vector(rng)


def _turn(rng: np.random.Generator) -> Matrix:
    """Draw a uniformly distributed rotation, (3, 3)."""
    w, x, y, z = unit_quaternion(rng).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
