"""What a back end is to the rest of the server: a class that turns a frame into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .frame import Frame
from .passes import Backend, FrameRender, Meshes, Pass, Render, passes_of

__all__ = ["Arrays", "OtherObject", "RenderedFrame", "Renderer", "RendererInfo", "render_views"]

Arrays = Mapping[str, Any]
"""The arrays of one view by the names of its passes; each is as its row of the table of passes says."""


@dataclass(frozen=True)
class RendererInfo:
    """What a back end says of itself on ``/healthz``."""

    name: str
    version: str
    engine: str
    device: str


@dataclass(frozen=True)
class OtherObject:
    """An object that the server itself brings.

    Attributes
    ----------
    name : str
    matrix : (4, 4) float64
        Column vectors, object to the scene's world.
    """

    name: str
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class RenderedFrame:
    """The arrays of a frame, and where the time went.

    Attributes
    ----------
    views : tuple of Arrays
        For each of the frame's views, in the frame's order.
    stages_ms : dict of str to float
        Milliseconds in each stage (such as ``import`` and ``render``), in order.
    others : tuple of OtherObject
        The server's own objects that have numbers, after those of the scene's instances.
    """

    views: tuple[Arrays, ...]
    stages_ms: dict[str, float] = field(default_factory=dict)
    others: tuple[OtherObject, ...] = ()


class Renderer(Protocol):
    """A back end. All of it is called from one thread only, what it says of itself excepted."""

    @property
    def info(self) -> RendererInfo:
        """Name, version and device, fixed for the life of the renderer."""
        ...

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that a scene may require."""
        ...

    @property
    def renders(self) -> frozenset[Render]:
        """The renders that it makes; a frame with passes of others is refused before it is asked."""
        ...

    @property
    def looks(self) -> frozenset[str]:
        """The names of the members of a `Look` that it knows; it refuses a frame that asks for others."""
        ...

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame; the answer to the next must not depend on it. See `render_views`.

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


def render_views(frame: Frame, backend: Backend, meshes: Meshes) -> tuple[Arrays, ...]:
    """Make the passes of a frame from as few of a back end's renders as give them.

    Parameters
    ----------
    frame : Frame
    backend : Backend
    meshes : Meshes
        What was read of meshes before; kept from one frame to the next.
    """
    meshes.begin_frame()
    groups = _by_what_they_show(frame)
    with_triangles = any(row.needs_triangles for rows in groups for row in rows)
    with_linear = bool(passes_of(frame, Render.LINEAR))
    render = FrameRender(frame, backend, meshes, with_triangles=with_triangles, with_linear=with_linear)
    views: tuple[dict[str, Any], ...] = tuple({} for _ in frame.views)
    for rows in groups:  # one after another: what is shown changes in between
        for view, arrays in zip(render.views, views, strict=True):
            arrays.update((row.name, row.compute(view)) for row in rows)
    return tuple({name: arrays[name] for name in frame.passes} for arrays in views)


def _by_what_they_show(frame: Frame) -> list[list[Pass]]:
    """Group the passes that one render serves; the exact ones come first, and colour last."""
    groups: dict[bytes, list[Pass]] = {}
    for row in passes_of(frame, Render.EXACT):
        groups.setdefault(row.shows(frame.scene).tobytes(), []).append(row)
    material, colour = passes_of(frame, Render.MATERIAL), passes_of(frame, Render.COLOUR, Render.LINEAR)
    return [rows for rows in (*groups.values(), material, colour) if rows]
