"""VtkRenderer: a checked request in, an array out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkVersion

from ..errors import RenderError
from ..gltf import label_colours, warn_of_unlabelled
from ..http.form import ImageType, RenderRequest
from ..labels import NO_LABEL
from ..renderer import Pixels, RenderedImage, RendererInfo
from ..settings import ServerSettings
from ..stopwatch import Stopwatch
from .canvas import Canvas
from .colour import ColourStage
from .exact import ExactStage

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
        self._colour = ColourStage(self._canvas, settings.up_axis)
        self._exact = ExactStage(self._canvas)
        self._pictures: dict[ImageType, Callable[[RenderRequest, Stopwatch], Pixels]] = {
            ImageType.COLOR: self._colour.picture,
            ImageType.DEPTH: self._depth,
            ImageType.LABEL: self._label,
        }
        self.info = RendererInfo(
            name="VTK", version=vtkVersion.GetVTKVersion(), engine="OpenGL", device=self._canvas.device
        )

    def render(self, request: RenderRequest) -> RenderedImage:
        """Render one request; see `Renderer.render`."""
        watch = Stopwatch()
        try:
            pixels = self._pictures[request.image_type](request, watch)
        except RenderError:
            self._forget()
            raise
        watch.lap("read")
        return RenderedImage(pixels, watch.laps_ms)

    def close(self) -> None:
        """Give back the window and what OpenGL holds."""
        self._forget()
        self._canvas.close()

    def _forget(self) -> None:
        self._colour.forget()
        self._exact.forget()

    def _depth(self, request: RenderRequest, watch: Stopwatch) -> NDArray[np.float32]:
        shown = np.ones(len(request.scene.primitives), bool)
        return self._exact.passes(request, shown, watch).depth

    def _label(self, request: RenderRequest, watch: Stopwatch) -> NDArray[np.uint8]:
        warn_of_unlabelled(request.scene)
        colours = label_colours(request.scene)
        shown = np.array([colour is not None for colour in colours], bool)
        palette = np.array([*(colour or NO_LABEL for colour in colours), NO_LABEL], np.uint8)
        seen = self._exact.passes(request, shown, watch).primitive
        return palette[seen]  # -1 is the last: the background's
