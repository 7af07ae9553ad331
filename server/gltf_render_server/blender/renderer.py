"""BlenderRenderer: a checked request in, an array out."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from ..errors import NoRoomError, RenderError, SettingsScriptError
from ..gltf import label_colours, warn_of_unlabelled
from ..http.form import ImageType, RenderRequest
from ..labels import NO_LABEL, LabelTable
from ..process.scratch import ScratchFolder
from ..renderer import Pixels, RenderedImage, RendererInfo
from ..settings import ServerSettings
from ..stopwatch import Stopwatch
from . import compat, engines
from .base import BaseScene
from .colour import ColourStage
from .exact import ExactStage
from .importing import Importer
from .passes import set_frame
from .sources import FileSource, SceneSource

__all__ = ["BlenderRenderer"]

_logger = logging.getLogger(__name__)

_PIXEL_BYTES = 32  # in a file, at most: seven channels of float32


class BlenderRenderer:
    """Renders with the Blender that this process is, or has as a module.

    Blender has one state, so make only one. It belongs to the thread that makes it. A client's scene stays in
    Blender until another takes its place; no picture shows what came before it.

    Parameters
    ----------
    settings : ServerSettings
    source : SceneSource, optional
        The scene that the client's objects join; by default the settings' .blend, or an empty one.

    Raises
    ------
    SettingsError
        The .blend, the device, the environment or another setting cannot be used.
    """

    def __init__(self, settings: ServerSettings, source: SceneSource | None = None) -> None:
        self._source = source or FileSource(settings)
        self._base = BaseScene(settings, self._source)
        self.extensions = compat.importer_extensions()
        try:
            self._base.refresh()
        except SettingsScriptError as error:
            _logger.error("every render will fail until this is mended: %s", error)
        self.info = RendererInfo(
            name="Blender",
            version=bpy.app.version_string,
            engine=engines.engine_name(self._source.scene),
            device=self._source.device,
        )
        self._source.settle(is_shown=False)
        self._scratch = ScratchFolder(*self._source.leftovers)
        self._stages: tuple[ColourStage, ExactStage] | None = None

    def render(self, request: RenderRequest) -> RenderedImage:
        """Render one request; see `Renderer.render`.

        Raises
        ------
        SettingsError
            The user's settings script failed, or the .blend is gone.
        NoRoomError
            There is no room for the files that it takes.
        """
        is_colour = request.image_type is ImageType.COLOR
        watch = Stopwatch()
        with self._told_when_full(request), self._staged() as (colour, exact):
            if is_colour:
                pixels = colour.picture(request, watch)
            else:
                pixels = _exact_image(exact, request, self._base.free_pass_indices, watch)
        size = request.camera
        return RenderedImage(pixels[: size.height, : size.width], watch.laps_ms)  # see `BlenderCamera`

    @contextmanager
    def arranged(self, request: RenderRequest) -> Iterator[bpy.types.Scene]:
        """Show a request's scene as its colour would be rendered, for the length of a ``with`` block.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        SettingsError
            As for `render`.
        """
        with self._staged() as (colour, _):
            set_frame(self._base.colour.render, colour.arrange(request, Stopwatch()))
            yield self._base.colour

    def close(self) -> None:
        """Remove the files of this renderer and of Blender's session."""
        self._scratch.remove()

    @contextmanager
    def _told_when_full(self, request: RenderRequest) -> Iterator[None]:
        """Tell a failure for want of room, which passes, from one that the request would meet again."""
        try:
            yield
        except (RenderError, OSError) as error:
            size_bytes = request.camera.width * request.camera.height * _PIXEL_BYTES
            if getattr(error, "errno", None) == errno.ENOSPC or self._scratch.lacks(size_bytes):
                _logger.error("there is no room for a render's files in %s: %s", self._scratch.path, error)
                raise NoRoomError("the server has no room for a render's files; try again later") from error
            raise

    @contextmanager
    def _staged(self) -> Iterator[tuple[ColourStage, ExactStage]]:
        """Open the stages; let the source come to rest at the end, whatever becomes of the request."""
        is_shown = False
        try:
            colour, exact = self._current_stages()
            try:
                yield colour, exact
            except RenderError:
                colour.scene.forget_render()
                exact.scene.forget_render()
                raise
            is_shown = True
        finally:
            self._source.settle(is_shown=is_shown)

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
