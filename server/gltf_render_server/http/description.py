"""What a server is and can do, for programs that offer a choice: ``GET /v1/server``."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from .. import __version__
from ..dispatch.dispatcher import Dispatcher
from ..environments import ENVIRONMENTS, NO_ENVIRONMENT
from ..passes import PASSES, Pass, Render
from ..settings import QUALITIES, ServerSettings, UpAxis
from .packing import RendererDescription

__all__ = ["PassRow", "ServerDescription", "describe_renderer", "describe_server"]


class PassRow(msgspec.Struct, frozen=True):
    """A pass that the server makes.

    `group` is the render that it is made from, `moment` the other moment that it is about, if there is one.
    `nothing` is what the array holds where there is nothing to tell; null = that cannot be told from it.
    `span` is from where to where the values run by what they mean; null = as far as they do in a scene.
    """

    name: str
    summary: str
    kind: Literal["image", "stack", "table"]
    group: Render
    moment: Literal["before", "after"] | None
    dtype: str
    unit: str
    nothing: float | Literal["inf", "nan"] | None
    span: tuple[float, float] | None
    components: str


class ServerDescription(msgspec.Struct, frozen=True):
    """What the server renders with, the passes that it makes, and what of a look it knows.

    `environments` and `qualities`, from the fastest to the best, are the choices for those members of a look;
    `up_axis` is what counts where a request says nothing.
    """

    renderer: RendererDescription
    passes: list[PassRow]
    looks: list[str]
    environments: list[str]
    qualities: list[str]
    up_axis: UpAxis
    max_pixels: int
    max_scene_bytes: int


def describe_server(settings: ServerSettings, dispatcher: Dispatcher) -> ServerDescription:
    """Describe a server; waits while its first worker starts.

    Raises
    ------
    SettingsError, NoWorkerError, ShuttingDownError
        See `Dispatcher.extensions`.
    """
    renders, looks = dispatcher.renders, dispatcher.looks
    return ServerDescription(
        renderer=describe_renderer(dispatcher),
        passes=[_row(row) for row in PASSES.values() if row.render in renders],
        looks=sorted(looks),
        environments=[*ENVIRONMENTS, NO_ENVIRONMENT] if "environment" in looks else [],
        qualities=[*QUALITIES] if "quality" in looks else [],
        up_axis=settings.up_axis,
        max_pixels=settings.max_pixels,
        max_scene_bytes=settings.max_scene_bytes,
    )


def describe_renderer(dispatcher: Dispatcher) -> RendererDescription:
    """Describe what renders; waits, and raises, as `describe_server`."""
    info = dispatcher.info
    return RendererDescription(__version__, info.name, info.version, info.engine, info.device)


def _row(row: Pass) -> PassRow:
    return PassRow(
        name=row.name,
        summary=row.summary,
        kind="image" if row.is_image else "stack" if row.is_stack else "table",
        group=row.render,
        moment=row.moment,
        dtype=row.dtype,
        unit=row.unit,
        nothing=_told(row.nothing),
        span=row.span,
        components=row.components,
    )


def _told(value: float | None) -> float | Literal["inf", "nan"] | None:
    """Tell what JSON has no number for by its name."""
    if value is None or math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf"
