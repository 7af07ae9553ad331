"""The table of passes that can be requested of a view. A new pass is a new row, never a branch elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..frame import Frame, When
from ..scene import Scene
from .views import ViewRender

__all__ = [
    "PASSES",
    "Pass",
    "Render",
    "add_row",
    "check_renders",
    "find_pass",
    "passes_of",
    "prepare",
    "register",
    "remarks",
]

_LARGEST_NAME = 40
_LARGEST_UINT16 = 2**16 - 1


class Render(StrEnum):
    """The kinds of render that a back end makes of a view. Every back end supports COLOUR and EXACT."""

    COLOUR = "colour"
    """The colour image: (height, width, 3 or 4) uint8, display-referred; 4 channels if it has alpha."""
    LINEAR = "linear"
    """The linear light of the colour image, (height, width, 3 or 4) float32; see `Colour`."""
    EXACT = "exact"
    """The first surface that the ray through each pixel's centre meets: an `Exact`."""
    MATERIAL = "material"
    """The material properties of that surface: `MaterialValues`."""


def _everything(scene: Scene) -> NDArray[np.bool_]:
    return np.ones(len(scene.placements), bool)


@dataclass(frozen=True)
class Pass:
    """A row of the table.

    Attributes
    ----------
    name : str
        The name by which the pass is requested, and which its files have.
    summary : str
        The meaning of the pass in one sentence, with its unit, frame and special values.
    dtype : str
        The data type of the array; "json" means a list of JSON values instead of an array.
    channels : tuple of int
        The numbers of channels that the array may have; 1 means (height, width).
    unit : str
    render : Render
        The render from which the pass is computed.
    compute : callable
        Computes the array of a view from its renders.
    nothing : float or None
        The value where there is nothing to report; None if the array does not mark such places.
    span : (float, float) or None
        The range of values that follows from their meaning; None if the range depends on the scene.
    shows : callable
        Returns which of the scene's placements the render shows, (n,) bool.
    needs_triangles : bool
        Whether `compute` uses ``hits``.
    needs_meshes : bool
        Whether `compute` uses more mesh data than the positions of the triangles.
    largest : callable or None
        Returns the largest number that the array may hold for a scene. If it exceeds uint16, the array is
        uint32.
    components : str
        One letter per channel, used as the channel names in an EXR: ``"RGBA"`` for colours.
    is_stack : bool
        Whether the array is a stack of images, (k, height, width), one for each object of the scene.
    check : callable
        Raises a RequestError if the pass cannot be computed for a frame.
    remarks : callable
        Returns remarks for the log on a scene for which this pass is requested.
    moment : {"before", "after"} or None
        The other moment that the pass refers to.
    renders_moment : bool
        Whether the pass needs the exact render of that moment.
    """

    name: str
    summary: str
    dtype: str
    channels: tuple[int, ...]
    unit: str
    render: Render
    compute: Callable[[ViewRender], Any]
    nothing: float | None = None
    span: tuple[float, float] | None = None
    shows: Callable[[Scene], NDArray[np.bool_]] = _everything
    needs_triangles: bool = False
    needs_meshes: bool = False
    largest: Callable[[Scene], int] | None = None
    components: str = "XYZW"
    is_stack: bool = False
    check: Callable[[Frame], None] = lambda _: None
    remarks: Callable[[Scene], Sequence[str]] = lambda _: ()
    moment: When | None = None
    renders_moment: bool = False

    def dtype_in(self, scene: Scene) -> str:
        """Return the data type of the array for a scene."""
        is_wide = self.largest is not None and self.largest(scene) > _LARGEST_UINT16
        return "uint32" if is_wide else self.dtype

    @property
    def is_image(self) -> bool:
        """Whether the array is one image, with channels: neither a stack of images nor a table."""
        return not self.is_stack and self.dtype != "json"

    def storage(self, scene: Scene) -> Literal["png", "tiff", "exr", "json"]:
        """Return the default storage format, which is lossless."""
        if self.dtype == "json":
            return "json"
        if self.dtype_in(scene) in ("uint8", "uint16"):
            return "png"
        return "tiff" if self.channels == (1,) else "exr"


PASSES: dict[str, Pass] = {}
"""The rows by name, in the order of the table."""


def register(row: Pass) -> None:
    """Add a row to the table.

    Raises
    ------
    ValueError
        A row with that name exists already.
    """
    if row.name in PASSES:
        raise ValueError(f"there is a pass {row.name} already")
    PASSES[row.name] = row


def add_row(
    name: str,
    compute: Callable[[ViewRender], Any],
    dtype: str,
    unit: str,
    *,
    channels: tuple[int, ...] = (1,),
    render: Render = Render.EXACT,
    **more: Any,
) -> Pass:
    """Make a row whose summary is the docstring of `compute`, and add it to the table; see `Pass`.

    By default, `nothing` is NaN for floating-point arrays and 0 for other arrays.
    """
    more.setdefault("nothing", np.nan if dtype.startswith("float") else 0)
    summary = " ".join(cleandoc(compute.__doc__ or "").split())
    row = Pass(name, summary, dtype, channels, unit, render, compute, **more)
    register(row)
    return row


def find_pass(name: str) -> Pass:
    """Return the row with a name.

    Raises
    ------
    RequestError
        There is no such row.
    """
    found = PASSES.get(name)
    if found is None:
        shown = name if len(name) <= _LARGEST_NAME else f"{name[:_LARGEST_NAME]}…"
        raise RequestError(f"passes: there is no pass {shown!r}; there are {', '.join(PASSES)}")
    return found


def passes_of(frame: Frame, *renders: Render) -> list[Pass]:
    """Return the rows that a frame requests and that are computed from any of these renders."""
    rows = (find_pass(name) for name in frame.passes)
    return [row for row in rows if row.render in renders]


def check_renders(frame: Frame, renders: Collection[Render], backend: str) -> None:
    """Check that a back end supports the renders that the passes of a frame need.

    Parameters
    ----------
    frame : Frame
    renders : collection of Render
        The supported renders; see `renderer.Renderer`.
    backend : str
        The name of the back end.

    Raises
    ------
    RequestError
        The back end does not support one of the renders.
    """
    for name in frame.passes:
        if find_pass(name).render not in renders:
            given = ", ".join(row.name for row in PASSES.values() if row.render in renders)
            raise RequestError(f"passes: {backend} cannot render {name!r}; it renders {given}")


def prepare(frame: Frame) -> None:
    """Compute the digests that a frame's renders need, on this thread, so that the renderer need not wait.

    Raises
    ------
    RequestError
        A pass of the frame cannot be computed.
    """
    scene = frame.scene
    for name in frame.passes:
        find_pass(name).check(frame)
    if passes_of(frame, Render.COLOUR, Render.LINEAR, Render.MATERIAL):
        _ = (scene.surfaces, scene.light_sources)
    if rows := passes_of(frame, Render.EXACT):
        _ = frame.shapes
        if any(row.needs_meshes for row in rows):
            _ = scene.meshes
        for row in rows:
            if row.moment is not None:
                _ = frame.at(row.moment).scene.shapes


def remarks(frame: Frame) -> Iterable[str]:
    """Return remarks for the log on the scene of a frame."""
    yield from frame.scene.warnings
    for name in frame.passes:
        yield from find_pass(name).remarks(frame.scene)
