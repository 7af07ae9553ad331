"""How a file is lit and shown where nobody says: as a product photographer would, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..frame import Look
from ..scene import Scene

__all__ = ["BACKDROP", "ENVIRONMENT", "NOTHING", "Lighting", "find_look", "laid_over"]

Picture = NDArray[np.uint8]

BACKDROP, ENVIRONMENT, NOTHING = "backdrop", "environment", "transparent"
"""What is behind a model: a plain light grey, what it is lit by, or nothing; or a colour."""

_DEFAULT_ENVIRONMENT = "city"
"""The one of Blender's whose light is white, and in which metal and glass have something to mirror."""
_FILL_STRENGTH = 0.25
_BACKDROP = (np.array([205.0, 206.0, 208.0]), np.array([242.0, 242.0, 242.0]))
"""sRGB, above and below."""


@dataclass(frozen=True)
class Lighting:
    """What was asked for of the light; None = as it looks best.

    Attributes
    ----------
    environment : str or None
        See `frame.Look`.
    exposure : float or None
        In stops.
    quality : str or None
    background : str or tuple of int
        `BACKDROP`, `ENVIRONMENT`, `NOTHING`, or a colour, red, green and blue, 0 to 255.
    has_environment_file : bool
        Whether what renders has an environment of its own, from a file.
    """

    environment: str | None = None
    exposure: float | None = None
    quality: str | None = None
    background: str | tuple[int, int, int] = BACKDROP
    has_environment_file: bool = False


def find_look(wanted: Lighting, scene: Scene, up_axis: str, *, is_blender: bool) -> Look:
    """Return the look of a scene's pictures.

    A scene without lights is lit from all around. One that brings lights of its own has that light, too, but
    dimly: what none of its lights reaches shall not be black.

    Raises
    ------
    RequestError
        What was asked for only Blender can do.
    """
    options: dict[str, Any] = {
        "exposure": wanted.exposure,
        "up_axis": up_axis,
        "transparent": wanted.background != ENVIRONMENT,
    }
    if not is_blender:
        _check_plain(wanted)
        return Look(**options)
    options["quality"] = wanted.quality
    if wanted.environment is not None:
        options["environment"] = wanted.environment
    elif not wanted.has_environment_file:
        options["environment"] = _DEFAULT_ENVIRONMENT
        options["strength"] = _FILL_STRENGTH if scene.lights else None
    return Look(**options)


def _check_plain(wanted: Lighting) -> None:
    for name in ("environment", "quality"):
        if getattr(wanted, name) is not None:
            raise RequestError(f"--{name}: only Blender can do that; leave it out with this back end")


def laid_over(picture: Picture, background: str | tuple[int, int, int]) -> Picture:
    """Return a picture with something behind it, (height, width, 3); or as it is where that is wanted.

    Parameters
    ----------
    picture : (height, width, 3 or 4) uint8
        sRGB; its colours are those of what covers a pixel in part, not multiplied by alpha.
    background : str or tuple of int
        See `Lighting`.
    """
    if background in (NOTHING, ENVIRONMENT) or picture.shape[2] == 3:
        return picture
    share = picture[..., 3:] / np.float32(255)
    behind = _behind(background, len(picture))
    return np.rint(picture[..., :3] * share + behind * (1 - share)).astype(np.uint8)


def _behind(background: str | tuple[int, int, int], height: int) -> NDArray[np.float32]:
    """Return what is behind each row, (height or 1, 1, 3)."""
    if not isinstance(background, str):
        return np.array(background, np.float32).reshape(1, 1, 3)
    above, below = _BACKDROP
    share = np.linspace(0, 1, height).reshape(-1, 1, 1)
    return (above + (below - above) * share).astype(np.float32)
