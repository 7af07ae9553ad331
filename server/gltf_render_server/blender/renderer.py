"""BlenderRenderer: a checked request in, an array out."""

from __future__ import annotations

import logging
from pathlib import Path

import bpy

from ..errors import RenderError, SettingsScriptError
from ..gltf import label_colours, warn_of_unlabelled
from ..labels import NO_LABEL, LabelTable
from ..protocol import ImageType, RenderRequest
from ..renderer import Pixels, RenderedImage, RendererInfo
from ..scratch import ScratchFolder
from ..settings import ServerSettings
from ..stopwatch import Stopwatch
from . import compat, engines
from .base import BaseScene
from .colour import ColourStage
from .exact import ExactStage
from .importing import Importer

__all__ = ["BlenderRenderer"]

_logger = logging.getLogger(__name__)


class BlenderRenderer:
    """Renders with the Blender that this process is, or has as a module.

    Blender has one state, so make only one. It belongs to the thread that makes it. A client's scene stays in
    Blender until another takes its place; no picture shows what came before it.

    Parameters
    ----------
    settings : ServerSettings

    Raises
    ------
    SettingsError
        The .blend, the device, the environment or another setting cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._base = BaseScene(settings)
        self.extensions = compat.importer_extensions()
        try:
            self._base.refresh()
        except SettingsScriptError as error:
            _logger.error("every render will fail until this is mended: %s", error)
        self.info = RendererInfo(
            name="Blender",
            version=bpy.app.version_string,
            engine=engines.engine_name(bpy.context.scene),
            device=engines.describe_device(),
        )
        self._scratch = ScratchFolder(Path(bpy.app.tempdir))
        self._stages: tuple[ColourStage, ExactStage] | None = None

    def render(self, request: RenderRequest) -> RenderedImage:
        """Render one request; see `Renderer.render`.

        Raises
        ------
        SettingsError
            The user's settings script failed, or the .blend is gone.
        """
        colour, exact = self._current_stages()
        watch = Stopwatch()
        try:
            if request.image_type is ImageType.COLOR:
                pixels = colour.picture(request, watch)
            else:
                pixels = _exact_image(exact, request, self._base.free_pass_indices, watch)
        except RenderError:
            colour.scene.forget_render()
            exact.scene.forget_render()
            raise
        size = request.camera
        return RenderedImage(pixels[: size.height, : size.width], watch.laps_ms)  # see `BlenderCamera`

    def close(self) -> None:
        """Remove the files of this renderer and of Blender's session."""
        self._scratch.remove()

    def _current_stages(self) -> tuple[ColourStage, ExactStage]:
        if self._base.refresh() or self._stages is None:
            folder = self._scratch.path
            importer = Importer(self._base.workshop, folder)
            self._stages = (
                ColourStage(self._base, importer, folder),
                ExactStage(self._base, importer, folder),
            )
        return self._stages


def _exact_image(exact: ExactStage, request: RenderRequest, free: list[int], watch: Stopwatch) -> Pixels:
    """Return a depth or label image, as large as the canvas."""
    is_label = request.image_type is ImageType.LABEL
    if is_label:
        warn_of_unlabelled(request.scene)
    colours = label_colours(request.scene) if is_label else [NO_LABEL] * len(request.scene.primitives)
    table = LabelTable.from_colours(colours, free)
    result = exact.passes(request, table.numbers, watch)
    pixels = table.paint(result.object_index) if is_label else result.depth
    watch.lap("read")
    return pixels
