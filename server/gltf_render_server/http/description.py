"""A description of the server and its features, for programs that offer a choice: ``GET /v1/server``."""

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
    """A pass that the server supports.

    `group` is the render from which the pass is made. `moment` is the other moment that it refers to, if any.
    `nothing` is the value of the array where there is nothing to report; null = the array does not mark such
    places. `span` is the range of values that follows from their meaning; null = the range depends on the
    scene.
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
    """The renderer of the server, the passes that it supports, and the fields of a look that it knows.

    `environments` and `qualities` are the choices for these fields of a look; the qualities go from the
    fastest to the best. `up_axis` is the default if a request does not set it.
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
    """Describe a server. This waits while its first worker starts.

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
    """Describe the renderer. This waits, and raises errors, as `describe_server` does."""
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
        nothing=_as_json(row.nothing),
        span=row.span,
        components=row.components,
    )


def _as_json(value: float | None) -> float | Literal["inf", "nan"] | None:
    """Replace infinity and NaN, for which JSON has no numbers, with their names."""
    if value is None or math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf"
