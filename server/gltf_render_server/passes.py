"""The table of passes: what can be asked of a view. A feature is a row of it, never a branch elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import RequestError
from .frame import Frame, View
from .labels import NO_LABEL
from .scene import Scene

__all__ = ["PASSES", "Exact", "Pass", "Render", "find_pass", "passes_of", "prepare", "register", "remarks"]

NOTHING = -1
"""The placement of a pixel that shows none of the scene's."""

_LARGEST_NAME = 40


class Render(StrEnum):
    """The two renders that a back end makes of a view."""

    COLOUR = "colour"
    """What it looks like: (height, width, 3 or 4) uint8, display-referred; 4 where it has alpha."""
    EXACT = "exact"
    """What one ray through each pixel's centre meets first: an `Exact`."""


@dataclass(frozen=True)
class Exact:
    """What one ray through each pixel's centre meets first.

    Attributes
    ----------
    depth : (height, width) float32
        Metres along the optical axis, between the clipping planes; inf = nothing.
    placement : (height, width) int32
        Index into ``scene.placements``; -1 = nothing, or nothing of the scene's.
    """

    depth: NDArray[np.float32]
    placement: NDArray[np.int32]


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
        Of the array.
    channels : tuple of int
        How many channels the array may have; 1 = (height, width).
    unit : str
    render : Render
        Which render it is made from.
    storage : {"png", "tiff"}
        How it is stored by default.
    compute : callable
        Makes the array of what the render gives (a colour picture, or an `Exact`), the view and the scene.
    shows : callable
        Returns which of the scene's placements the render shows, (n,) bool.
    remarks : callable
        Returns what the log should tell of a scene that this is asked of.
    """

    name: str
    summary: str
    dtype: str
    channels: tuple[int, ...]
    unit: str
    render: Render
    storage: Literal["png", "tiff"]
    compute: Callable[[Any, View, Scene], NDArray[Any]]
    shows: Callable[[Scene], NDArray[np.bool_]] = _everything
    remarks: Callable[[Scene], Sequence[str]] = lambda _: ()


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


def passes_of(frame: Frame, render: Render) -> list[Pass]:
    """Return the rows that a frame asks for and that one of the renders is for."""
    rows = (find_pass(name) for name in frame.passes)
    return [row for row in rows if row.render is render]


def prepare(frame: Frame) -> None:
    """Digest what the renders of a frame show, on this thread; else the renderer would have to wait."""
    scene = frame.scene
    if passes_of(frame, Render.COLOUR):
        _ = (scene.surfaces, scene.light_sources)
    if passes_of(frame, Render.EXACT):
        _ = scene.shapes


def remarks(frame: Frame) -> Iterable[str]:
    """Return what the log should tell of a frame's scene."""
    yield from frame.scene.warnings
    for name in frame.passes:
        yield from find_pass(name).remarks(frame.scene)


def _labels(exact: Exact, _: View, scene: Scene) -> NDArray[np.uint8]:
    palette = np.array([*(colour or NO_LABEL for colour in scene.labels), NO_LABEL], np.uint8)
    return palette[np.append(scene.placements.primitive, -1)][exact.placement]


def _is_labelled(scene: Scene) -> NDArray[np.bool_]:
    is_shown = np.array([colour is not None for colour in scene.labels], bool)
    return is_shown[scene.placements.primitive]


def _unlabelled(scene: Scene) -> list[str]:
    return [
        f"$.meshes[{primitive.mesh}].primitives[{primitive.number}]: has no material, so no label; "
        "it is painted white"
        for primitive in scene.primitives
        if primitive.material is None
    ]


def _instances(exact: Exact, _: View, scene: Scene) -> NDArray[np.uint32]:
    return np.append(scene.placements.instance + 1, 0).astype(np.uint32)[exact.placement]


for _row in (
    Pass(
        name="color",
        summary="What it looks like, display-referred; with a fourth channel, 255 = opaque.",
        dtype="uint8",
        channels=(3, 4),
        unit="sRGB, or as the view transform says",
        render=Render.COLOUR,
        storage="png",
        compute=lambda picture, *_: picture,
    ),
    Pass(
        name="depth",
        summary="Distance along the optical axis of what is met first, between the clipping planes; "
        "inf = nothing.",
        dtype="float32",
        channels=(1,),
        unit="m",
        render=Render.EXACT,
        storage="tiff",
        compute=lambda exact, *_: exact.depth,
    ),
    Pass(
        name="label",
        summary="The label colour of the material that is met first, as Drake writes it; white = no label.",
        dtype="uint8",
        channels=(3,),
        unit="label = red + 256 green",
        render=Render.EXACT,
        storage="png",
        compute=_labels,
        shows=_is_labelled,
        remarks=_unlabelled,
    ),
    Pass(
        name="instance",
        summary="The number of the object that is met first, from 1, as the frame's instances are listed; "
        "0 = nothing, or nothing of the scene's.",
        dtype="uint32",
        channels=(1,),
        unit="number",
        render=Render.EXACT,
        storage="tiff",
        compute=_instances,
    ),
):
    register(_row)
