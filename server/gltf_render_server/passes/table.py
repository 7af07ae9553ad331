"""The table of passes: what can be asked of a view. A feature is a row of it, never a branch elsewhere."""

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
    """The renders that a back end makes of a view; each makes the first and the third."""

    COLOUR = "colour"
    """What it looks like: (height, width, 3 or 4) uint8, display-referred; 4 where it has alpha."""
    LINEAR = "linear"
    """The light behind it, (height, width, 3 or 4) float32; see `Colour`."""
    EXACT = "exact"
    """What one ray through each pixel's centre meets first: an `Exact`."""
    MATERIAL = "material"
    """What the material there says: `MaterialValues`."""


def _everything(scene: Scene) -> NDArray[np.bool_]:
    return np.ones(len(scene.placements), bool)


@dataclass(frozen=True)
class Pass:
    """A row of the table.

    Attributes
    ----------
    name : str
        As it is asked for, and as its files are named.
    summary : str
        What it tells, in a sentence, with its unit, frame and special values.
    dtype : str
        Of the array; "json" = it is none, but a list of what JSON can hold.
    channels : tuple of int
        How many channels the array may have; 1 = (height, width).
    unit : str
    render : Render
        Which render it is made from.
    compute : callable
        Makes the array of a view from its renders.
    nothing : float or None
        What the array holds where there is nothing to tell; None = that cannot be told from the array.
    span : (float, float) or None
        From where to where the values run by what they mean; None = as far as they do in a scene.
    shows : callable
        Returns which of the scene's placements the render shows, (n,) bool.
    needs_triangles : bool
        Whether `compute` asks for ``hits``.
    needs_meshes : bool
        Whether it asks for more of the meshes than where their triangles are.
    largest : callable or None
        Returns the largest number that the array of a scene may hold: what uint16 cannot hold is uint32.
    components : str
        A letter for each channel, by which an EXR names them: ``"RGBA"`` for colours.
    is_stack : bool
        Whether the array is a stack of images, (k, height, width), one for each object of the scene.
    check : callable
        Raises a RequestError where the arrays of a frame cannot be made.
    remarks : callable
        Returns what the log should tell of a scene that this is asked of.
    moment : {"before", "after"} or None
        The other moment that it is about.
    renders_moment : bool
        Whether it asks for the exact render of that moment.
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
        """Return the dtype of the array of a scene."""
        is_wide = self.largest is not None and self.largest(scene) > _LARGEST_UINT16
        return "uint32" if is_wide else self.dtype

    @property
    def is_image(self) -> bool:
        """Whether it is one image, with channels: neither a stack of them nor a table."""
        return not self.is_stack and self.dtype != "json"

    def storage(self, scene: Scene) -> Literal["png", "tiff", "exr", "json"]:
        """Return how it is stored by default: every value arrives as it is."""
        if self.dtype == "json":
            return "json"
        if self.dtype_in(scene) in ("uint8", "uint16"):
            return "png"
        return "tiff" if self.channels == (1,) else "exr"


PASSES: dict[str, Pass] = {}
"""By name, in the order of the table."""


def register(row: Pass) -> None:
    """Add a row to the table.

    Raises
    ------
    ValueError
        There is one of that name.
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

    Unless it is given, `nothing` is NaN for floating-point numbers and 0 for others.
    """
    more.setdefault("nothing", np.nan if dtype.startswith("float") else 0)
    summary = " ".join(cleandoc(compute.__doc__ or "").split())
    row = Pass(name, summary, dtype, channels, unit, render, compute, **more)
    register(row)
    return row


def find_pass(name: str) -> Pass:
    """Return a row by its name.

    Raises
    ------
    RequestError
        There is none.
    """
    found = PASSES.get(name)
    if found is None:
        shown = name if len(name) <= _LARGEST_NAME else f"{name[:_LARGEST_NAME]}…"
        raise RequestError(f"passes: there is no pass {shown!r}; there are {', '.join(PASSES)}")
    return found


def passes_of(frame: Frame, *renders: Render) -> list[Pass]:
    """Return the rows that a frame asks for and that any of these renders is for."""
    rows = (find_pass(name) for name in frame.passes)
    return [row for row in rows if row.render in renders]


def check_renders(frame: Frame, renders: Collection[Render], backend: str) -> None:
    """Check that a back end makes the renders that a frame's passes are made from.

    Parameters
    ----------
    frame : Frame
    renders : collection of Render
        See `renderer.Renderer`.
    backend : str
        What the back end calls itself.

    Raises
    ------
    RequestError
        It does not make one of them.
    """
    for name in frame.passes:
        if find_pass(name).render not in renders:
            given = ", ".join(row.name for row in PASSES.values() if row.render in renders)
            raise RequestError(f"passes: {backend} cannot render {name!r}; it renders {given}")


def prepare(frame: Frame) -> None:
    """Digest what the renders of a frame show, on this thread; else the renderer would have to wait.

    Raises
    ------
    RequestError
        A pass of the frame cannot be made.
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
    """Return what the log should tell of a frame's scene."""
    yield from frame.scene.warnings
    for name in frame.passes:
        yield from find_pass(name).remarks(frame.scene)
