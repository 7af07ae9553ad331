"""What a back end is to the rest of the server: a class that turns a checked request into an array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .http.form import RenderRequest

__all__ = ["Pixels", "RenderedImage", "Renderer", "RendererInfo"]

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class RendererInfo:
    """What a back end says of itself on ``/healthz``."""

    name: str
    version: str
    engine: str
    device: str


@dataclass(frozen=True)
class RenderedImage:
    """A picture and where the time went.

    Attributes
    ----------
    pixels : array
        colour: (height, width, 3 or 4) uint8, display-referred; the fourth channel is alpha, 255 = opaque.
        depth: (height, width) float32, metres along the optical axis, between the clipping planes;
        inf = no hit.
        label: (height, width, 3) uint8, exact label colours; white = no label.
    stages_ms : dict of str to float
        Milliseconds in each stage (such as ``import`` and ``render``), in order.
    """

    pixels: Pixels
    stages_ms: dict[str, float] = field(default_factory=dict)


class Renderer(Protocol):
    """A back end. All of it is called from one thread only, `info` and `extensions` excepted."""

    @property
    def info(self) -> RendererInfo:
        """Name, version and device, fixed for the life of the renderer."""
        ...

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require."""
        ...

    def render(self, request: RenderRequest) -> RenderedImage:
        """Render one request; the answer to the next must not depend on it.

        Raises
        ------
        SceneError
            The scene passed the checks, but cannot be imported.
        RenderError
            The picture could not be made.
        """
        ...

    def close(self) -> None:
        """Give back what the renderer holds outside this process's memory."""
        ...
