"""The default look of a file's images: lighting and background as in product photography."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..frame import Look
from ..scene import Scene

__all__ = ["BACKDROP", "ENVIRONMENT", "NOTHING", "Lighting", "check_support", "find_look", "laid_over"]

Picture = NDArray[np.uint8]

BACKDROP, ENVIRONMENT, NOTHING = "backdrop", "environment", "transparent"
"""What is behind a model: a plain light grey, the environment, or nothing. A colour is also possible."""

_DEFAULT_ENVIRONMENT = "city"
"""One of Blender's, with white light, and with contrast that metal and glass can reflect."""
_FILL_STRENGTH = 0.25
_BACKDROP = (np.array([205.0, 206.0, 208.0]), np.array([242.0, 242.0, 242.0]))
"""sRGB, at the top and the bottom."""


@dataclass(frozen=True)
class Lighting:
    """The requested lighting. None means the best default.

    Attributes
    ----------
    environment : str or None
        See `frame.Look`.
    exposure : float or None
        In stops.
    quality : str or None
    background : str or tuple of int
        `BACKDROP`, `ENVIRONMENT`, `NOTHING`, or a colour as red, green and blue, 0 to 255.
    has_environment_file : bool
        Whether the renderer has its own environment from a file.
    """

    environment: str | None = None
    exposure: float | None = None
    quality: str | None = None
    background: str | tuple[int, int, int] = BACKDROP
    has_environment_file: bool = False


def find_look(wanted: Lighting, scene: Scene, up_axis: str, supported: frozenset[str]) -> Look:
    """Return the look for a scene's images.

    A scene without lights gets environment lighting. A scene with lights gets it, too, but dimmed, so that
    what its lights do not reach is not black.

    Parameters
    ----------
    wanted : Lighting
    scene : Scene
    up_axis : {"y", "z"}
    supported : frozenset of str
        The fields of a look that the back end supports. What nobody asked for is left out of the others.

    Raises
    ------
    RequestError
        The back end does not support what is wanted.
    """
    chosen = {name: getattr(wanted, name) for name in ("environment", "exposure", "quality")}
    for name, value in chosen.items():
        if value is not None:
            check_support(name, name in supported)
    options: dict[str, Any] = {
        **chosen,
        "up_axis": up_axis,
        "transparent": wanted.background != ENVIRONMENT,
    }
    if wanted.environment is None and not wanted.has_environment_file:
        options["environment"] = _DEFAULT_ENVIRONMENT
        options["strength"] = _FILL_STRENGTH if scene.lights else None
    return Look(**{name: value for name, value in options.items() if name in supported})


def check_support(option: str, is_supported: bool) -> None:
    """Refuse an option of the program that the back end does not support.

    Raises
    ------
    RequestError
    """
    if not is_supported:
        raise RequestError(f"--{option}: this back end cannot do that; leave it out, or render with Blender")


def laid_over(picture: Picture, background: str | tuple[int, int, int]) -> Picture:
    """Return an image with its background added, (height, width, 3), or the same image if it has none.

    Parameters
    ----------
    picture : (height, width, 3 or 4) uint8
        sRGB with straight alpha.
    background : str or tuple of int
        See `Lighting`.
    """
    if background in (NOTHING, ENVIRONMENT) or picture.shape[2] == 3:
        return picture
    share = picture[..., 3:] / np.float32(255)
    behind = _behind(background, len(picture))
    return np.rint(picture[..., :3] * share + behind * (1 - share)).astype(np.uint8)


def _behind(background: str | tuple[int, int, int], height: int) -> NDArray[np.float32]:
    """Return the background colour of each row, (height or 1, 1, 3)."""
    if not isinstance(background, str):
        return np.array(background, np.float32).reshape(1, 1, 3)
    above, below = _BACKDROP
    share = np.linspace(0, 1, height).reshape(-1, 1, 1)
    return (above + (below - above) * share).astype(np.float32)
