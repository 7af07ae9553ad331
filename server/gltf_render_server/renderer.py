"""The interface of a back end: a class that renders a frame to arrays."""

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
"""The arrays of one view by pass name. The table of passes describes each array."""


@dataclass(frozen=True)
class RendererInfo:
    """The description of a back end that ``/healthz`` reports."""

    name: str
    version: str
    engine: str
    device: str


@dataclass(frozen=True)
class OtherObject:
    """An object that belongs to the server's own .blend, not to the request's scene.

    Attributes
    ----------
    name : str
    matrix : (4, 4) float64
        The object-to-world matrix in the scene's world, for column vectors.
    """

    name: str
    matrix: NDArray[np.float64]


@dataclass(frozen=True)
class RenderedFrame:
    """The arrays of a frame, and the time that each stage took.

    Attributes
    ----------
    views : tuple of Arrays
        The arrays of each view, in the order of the frame's views.
    stages_ms : dict of str to float
        The milliseconds in each stage (such as ``import`` and ``render``), in the order of the stages.
    others : tuple of OtherObject
        The server's own objects that are numbered. Their numbers follow those of the scene's instances.
    """

    views: tuple[Arrays, ...]
    stages_ms: dict[str, float] = field(default_factory=dict)
    others: tuple[OtherObject, ...] = ()


class Renderer(Protocol):
    """The protocol of a back end. Apart from its descriptive properties, it is used on one thread only."""

    @property
    def info(self) -> RendererInfo:
        """The name, version and device of the back end, which never change."""
        ...

    @property
    def extensions(self) -> frozenset[str]:
        """The glTF extensions that the back end supports, so that a scene may require them."""
        ...

    @property
    def renders(self) -> frozenset[Render]:
        """The kinds of render that the back end supports. A frame that needs others is refused beforehand."""
        ...

    @property
    def looks(self) -> frozenset[str]:
        """The fields of `Look` that the back end supports. It refuses a frame that sets any other field."""
        ...

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame. The result must not depend on previous frames. See `render_views`.

        Raises
        ------
        SceneError
            The scene passed the checks, but the back end cannot import it.
        RenderError
            Rendering failed.
        """
        ...

    def close(self) -> None:
        """Release what the renderer holds outside the memory of this process."""
        ...


def render_views(frame: Frame, backend: Backend, meshes: Meshes) -> tuple[Arrays, ...]:
    """Compute the passes of a frame from as few renders of a back end as possible.

    Parameters
    ----------
    frame : Frame
    backend : Backend
    meshes : Meshes
        A cache of mesh data, which is kept from one frame to the next.
    """
    meshes.begin_frame()
    groups = _by_what_they_show(frame)
    with_triangles = any(row.needs_triangles for rows in groups for row in rows)
    with_linear = bool(passes_of(frame, Render.LINEAR))
    render = FrameRender(frame, backend, meshes, with_triangles=with_triangles, with_linear=with_linear)
    views: tuple[dict[str, Any], ...] = tuple({} for _ in frame.views)
    for rows in groups:  # one group after another, because each group shows different objects
        for view, arrays in zip(render.views, views, strict=True):
            arrays.update((row.name, row.compute(view)) for row in rows)
    return tuple({name: arrays[name] for name in frame.passes} for arrays in views)


def _by_what_they_show(frame: Frame) -> list[list[Pass]]:
    """Group the passes that can share a render. The exact passes come first, and colour comes last."""
    groups: dict[bytes, list[Pass]] = {}
    for row in passes_of(frame, Render.EXACT):
        groups.setdefault(row.shows(frame.scene).tobytes(), []).append(row)
    material, colour = passes_of(frame, Render.MATERIAL), passes_of(frame, Render.COLOUR, Render.LINEAR)
    return [rows for rows in (*groups.values(), material, colour) if rows]
