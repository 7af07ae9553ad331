"""BlenderRenderer: a frame in, arrays out."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import NoRoomError, RenderError, SettingsScriptError
from ..frame import Frame, View
from ..passes import Exact, Meshes, RenderPart
from ..process.scratch import ScratchFolder
from ..renderer import Arrays, OtherObject, RenderedFrame, RendererInfo, render_views
from ..settings import ServerSettings
from ..stages import Stages
from . import compat, engines
from .base import BaseScene, open_base
from .colour import ColourRender
from .exact import ExactRender
from .importing import Importer
from .rendering import set_canvas
from .sources import FileSource, SceneSource

__all__ = ["BlenderRenderer"]

_logger = logging.getLogger(__name__)

_LARGEST_RIG_M = 64.0  # single precision resolves it to some micrometres
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
        self._settings = settings
        self._source = source or FileSource(settings)
        self._base: BaseScene | None = None
        self._made_from: object = None
        self._renders: tuple[ColourRender, ExactRender] | None = None
        self._meshes = Meshes()
        try:
            self._refresh()
        except SettingsScriptError as error:
            _logger.error("every render will fail until this is mended: %s", error)
        self.extensions = compat.importer_extensions()
        self.info = RendererInfo(
            name="Blender",
            version=bpy.app.version_string,
            engine=engines.engine_name(self._source.scene),
            device=self._source.device,
        )
        self._source.settle(is_shown=False)
        self._scratch = ScratchFolder(*self._source.leftovers)

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame; see `Renderer.render`.

        Raises
        ------
        SettingsError
            The user's settings script failed, or the .blend is gone.
        NoRoomError
            There is no room for the files that it takes.
        """
        stages = Stages()
        views: tuple[Arrays, ...] = ()
        for part in _parts(frame):
            with self._told_when_full(part), self._opened() as (colour, exact):
                views += render_views(part, _Backend(colour, exact, stages), self._meshes)
        return RenderedFrame(views, stages.milliseconds, self._others(frame))

    @contextmanager
    def arranged(self, frame: Frame) -> Iterator[bpy.types.Scene]:
        """Show a frame's first view as its colour would be rendered, for the length of a ``with`` block.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        SettingsError
            As for `render`.
        """
        with self._opened() as (colour, _):
            aim = colour.arrange(frame, Stages())
            set_canvas(colour.base.colour.render, aim(frame.views[0]))
            yield colour.base.colour

    def close(self) -> None:
        """Remove the files of this renderer and of Blender's session."""
        self._scratch.remove()

    @contextmanager
    def _told_when_full(self, frame: Frame) -> Iterator[None]:
        """Tell a failure for want of room, which passes, from one that the request would meet again."""
        try:
            yield
        except (RenderError, OSError) as error:
            size_bytes = max(view.lens.width * view.lens.height for view in frame.views) * _PIXEL_BYTES
            if getattr(error, "errno", None) == errno.ENOSPC or self._scratch.lacks(size_bytes):
                _logger.error("there is no room for a render's files in %s: %s", self._scratch.path, error)
                raise NoRoomError("the server has no room for a render's files; try again later") from error
            raise

    @contextmanager
    def _opened(self) -> Iterator[tuple[ColourRender, ExactRender]]:
        """Open the renders; let the source come to rest at the end, whatever becomes of the request."""
        is_shown = False
        try:
            colour, exact = self._current_renders()
            try:
                yield colour, exact
            except RenderError:
                colour.scene.forget_render()
                exact.scene.forget_render()
                raise
            is_shown = True
        finally:
            self._source.settle(is_shown=is_shown)

    def _current_renders(self) -> tuple[ColourRender, ExactRender]:
        base = self._refresh()
        if self._renders is None:
            folder = self._scratch.path
            importer = Importer(base.workshop, folder)
            self._renders = (ColourRender(base, importer, folder), ExactRender(base, folder))
        return self._renders

    def _others(self, frame: Frame) -> tuple[OtherObject, ...]:
        base = self._refresh()
        to_client = np.linalg.inv(base.from_client(frame))
        placed = zip(base.others.names, to_client @ base.others.matrix, strict=True)
        return tuple(OtherObject(name, matrix) for name, matrix in placed)

    def _refresh(self) -> BaseScene:
        """Open the base scene again if the .blend or the settings script has changed, or failed."""
        stamp = self._source.stamp()
        if self._base is None or stamp != self._made_from:
            self._base = self._renders = None  # until all of it is there
            self._base = open_base(self._settings, self._source)
            self._made_from = stamp
        return self._base


@dataclass(frozen=True)
class _Backend:
    """See `passes.Backend`."""

    _colour: ColourRender
    _exact: ExactRender
    _stages: Stages

    def colour(self, frame: Frame) -> Callable[[View], NDArray[np.uint8]]:
        return self._colour.views(frame, self._stages)

    def exact(
        self, frame: Frame, shown: NDArray[np.bool_], *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        return self._exact.views(frame, shown, self._stages, with_triangles=with_triangles)

    def alone(self, frame: Frame) -> RenderPart:
        return self._exact.alone(frame, self._stages)


def _parts(frame: Frame) -> list[Frame]:
    """Return a frame as it can be rendered at once: cameras far apart cannot share an origin."""
    places = np.array([view.camera_to_world[:3, 3] for view in frame.views])
    if len(places) > 1 and np.ptp(places, axis=0).max() > _LARGEST_RIG_M:
        return [replace(frame, views=(view,)) for view in frame.views]
    return [frame]
