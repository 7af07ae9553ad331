"""What a back end is to the rest of the server: a class that turns a frame into arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .frame import Frame, View
from .passes import Exact, Pass, Render, passes_of

__all__ = ["Arrays", "RenderedFrame", "Renderer", "RendererInfo", "render_views"]

Arrays = Mapping[str, NDArray[Any]]
"""The arrays of one view by the names of its passes; dtype and channels are those of the pass."""


@dataclass(frozen=True)
class RendererInfo:
    """What a back end says of itself on ``/healthz``."""

    name: str
    version: str
    engine: str
    device: str


@dataclass(frozen=True)
class RenderedFrame:
    """The arrays of a frame, and where the time went.

    Attributes
    ----------
    views : tuple of Arrays
        For each of the frame's views, in the frame's order.
    stages_ms : dict of str to float
        Milliseconds in each stage (such as ``import`` and ``render``), in order.
    """

    views: tuple[Arrays, ...]
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


def render_views(
    frame: Frame,
    colour: Callable[[], Callable[[View], NDArray[np.uint8]]],
    exact: Callable[[NDArray[np.bool_]], Callable[[View], Exact]],
) -> tuple[Arrays, ...]:
    """Make the passes of a frame from as few of a back end's renders as give them.

    Parameters
    ----------
    frame : Frame
    colour : callable
        Shows the scene as colour needs it, once, and returns what renders a view of it: see `Render.COLOUR`.
    exact : callable
        Shows some of the scene's placements, given as (n,) bool, and returns what renders a view of them.
    """
    views: tuple[dict[str, NDArray[Any]], ...] = tuple({} for _ in frame.views)
    for shown, rows in _by_what_they_show(frame):
        _fill(views, frame, rows, exact(shown))
    if rows := passes_of(frame, Render.COLOUR):
        _fill(views, frame, rows, colour())
    return tuple({name: arrays[name] for name in frame.passes} for arrays in views)


def _by_what_they_show(frame: Frame) -> list[tuple[NDArray[np.bool_], list[Pass]]]:
    """Group the passes that one exact render serves."""
    groups: dict[bytes, tuple[NDArray[np.bool_], list[Pass]]] = {}
    for row in passes_of(frame, Render.EXACT):
        shown = row.shows(frame.scene)
        groups.setdefault(shown.tobytes(), (shown, []))[1].append(row)
    return list(groups.values())


def _fill(
    views: tuple[dict[str, NDArray[Any]], ...],
    frame: Frame,
    rows: list[Pass],
    render: Callable[[View], Any],
) -> None:
    for view, arrays in zip(frame.views, views, strict=True):
        rendered = render(view)
        arrays.update((row.name, row.compute(rendered, view, frame.scene)) for row in rows)
