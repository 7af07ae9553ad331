"""The inputs for a camera's pose, and the types of numbers that the tables of cameras share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ...frame import Lens
from ...scene import Scene
from ...settings import UpAxis
from ..choices import Choice, ends

__all__ = ["Angle", "Elevation", "Length", "Made", "Point", "Setting", "Target", "check_ends"]

_LARGEST = 1e9

Length = Annotated[float, Meta(gt=0, lt=_LARGEST)]
Elevation = Annotated[float, Meta(ge=-90, le=90)]
Angle = Annotated[float, Meta(ge=-3600, le=3600)]
Number = Annotated[float, Meta(gt=-_LARGEST, lt=_LARGEST)]
Point = Annotated[tuple[Number, Number, Number], Meta(description="x, y, z in metres.")]


@dataclass(frozen=True, eq=False)
class Setting:
    """The inputs for the pose of a camera.

    Attributes
    ----------
    scene : Scene
    up_axis : {"y", "z"}
    lens : Lens
    number, count : int
        Which pose it is, and of how many.
    rng : Generator
        Of this pose alone.
    """

    scene: Scene
    up_axis: UpAxis
    lens: Lens
    number: int
    count: int
    rng: np.random.Generator


@dataclass(frozen=True, eq=False)
class Target:
    """The target of a camera.

    Attributes
    ----------
    point : (3,) float64
    radius : float
        Of a sphere about the point that holds what is to be seen, metres.
    instance : int or None
        Index into ``Scene.instances``, where it is an object.
    """

    point: NDArray[np.float64]
    radius: float
    instance: int | None = None


@dataclass(frozen=True, eq=False)
class Made:
    """A pose as its kind makes it.

    Attributes
    ----------
    camera_to_world : (4, 4) float64
    target : Target or None
        What it looks at, where that is known.
    """

    camera_to_world: NDArray[np.float64]
    target: Target | None = None


def check_ends(name: str, choice: Choice, above: float, below: float) -> None:
    """Check that all numbers that a choice can draw are within limits.

    Raises
    ------
    ValueError
    """
    low, high = ends(choice)
    if not above < low <= high < below:
        raise ValueError(
            f"{name}: must be greater than {above:g} and less than {below:g}, not "
            f"{low if low <= above else high:g}"
        )
