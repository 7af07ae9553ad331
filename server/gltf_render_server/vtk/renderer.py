"""The VTK back end: renders frames to arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkVersion

from ..errors import RenderError
from ..frame import LOOKS, Frame, View
from ..passes import Backend, Exact, Meshes, Render, RenderPart
from ..renderer import RenderedFrame, RendererInfo, render_views
from ..settings import ServerSettings
from ..stages import Stages
from .canvas import Canvas
from .colour import OF_BLENDER, ColourRender
from .exact import ExactRender

__all__ = ["VtkRenderer"]


class VtkRenderer:
    """Renders with VTK, without a display. It belongs to the thread that creates it.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    SettingsError
        There is no usable OpenGL.
    """

    extensions = frozenset(
        {
            "EXT_texture_webp",
            "KHR_lights_punctual",
            "KHR_materials_unlit",
            "KHR_mesh_quantization",
            "KHR_texture_transform",
        }
    )

    renders = frozenset({Render.COLOUR, Render.EXACT})
    looks = LOOKS.difference(OF_BLENDER)

    def __init__(self, settings: ServerSettings) -> None:
        self._canvas = Canvas()
        self._colour = ColourRender(self._canvas, settings.up_axis)
        self._exact = ExactRender(self._canvas)
        self._meshes = Meshes()
        self.info = RendererInfo(
            name="VTK", version=vtkVersion.GetVTKVersion(), engine="OpenGL", device=self._canvas.device
        )

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame; see `Renderer.render`."""
        stages = Stages()
        try:
            views = render_views(frame, _Backend(self._colour, self._exact, stages), self._meshes)
        except RenderError:
            self._forget()
            raise
        return RenderedFrame(views, stages.milliseconds)

    def close(self) -> None:
        """Release the window and its OpenGL resources."""
        self._forget()
        self._canvas.close()

    def _forget(self) -> None:
        self._colour.forget()
        self._exact.forget()


@dataclass(frozen=True)
class _Backend(Backend):
    """See `passes.Backend`."""

    _colour: ColourRender
    _exact: ExactRender
    _stages: Stages

    def colour(self, frame: Frame) -> Callable[[View], NDArray[np.uint8]]:
        return self._colour.views(frame, self._stages)

    def exact(
        self, frame: Frame, shown: NDArray[np.bool_], *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        del with_triangles  # it always draws triangle numbers
        return self._exact.views(frame, shown, self._stages)

    def alone(self, frame: Frame) -> RenderPart:
        return self._exact.alone(frame, self._stages)
