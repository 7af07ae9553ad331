"""VtkRenderer: a frame in, arrays out."""

from __future__ import annotations

from vtkmodules.vtkCommonCore import vtkVersion

from ..errors import RenderError
from ..frame import Frame
from ..renderer import RenderedFrame, RendererInfo, render_views
from ..settings import ServerSettings
from ..stages import Stages
from .canvas import Canvas
from .colour import ColourRender
from .exact import ExactRender

__all__ = ["VtkRenderer"]


class VtkRenderer:
    """Renders with VTK, without a display. It belongs to the thread that makes it.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    SettingsError
        There is no OpenGL to draw with.
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

    def __init__(self, settings: ServerSettings) -> None:
        self._canvas = Canvas()
        self._colour = ColourRender(self._canvas, settings.up_axis)
        self._exact = ExactRender(self._canvas)
        self.info = RendererInfo(
            name="VTK", version=vtkVersion.GetVTKVersion(), engine="OpenGL", device=self._canvas.device
        )

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame; see `Renderer.render`."""
        stages = Stages()
        try:
            views = render_views(
                frame,
                lambda: self._colour.views(frame, stages),
                lambda shown: self._exact.views(frame, shown, stages),
            )
        except RenderError:
            self._forget()
            raise
        return RenderedFrame(views, stages.milliseconds)

    def close(self) -> None:
        """Give back the window and what OpenGL holds."""
        self._forget()
        self._canvas.close()

    def _forget(self) -> None:
        self._colour.forget()
        self._exact.forget()
