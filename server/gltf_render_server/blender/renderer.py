"""The Blender back end: renders frames to arrays."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import NoRoomError, RenderError, RenderServerError, SettingsScriptError
from ..frame import LOOKS, Frame, Lens, View
from ..gltf import parse_scene
from ..passes import Colour, Exact, MaterialValues, Meshes, Render, RenderPart
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
from .twin import MaterialRender

__all__ = ["BlenderRenderer"]

_logger = logging.getLogger(__name__)

_LARGEST_RIG_M = 64.0  # single precision resolves it to some micrometres
_EMPTY_GLTF = b'{"asset": {"version": "2.0"}}'
_SMALLEST_LENS = Lens(8, 8, focal_x=8.0, focal_y=8.0, center_x=4.0, center_y=4.0, near=0.1, far=10.0)
_PIXEL_BYTES = 32  # in a file, at most: seven channels of float32


class BlenderRenderer:
    """Renders with Blender, either as the current program or as the bpy module.

    Blender has global state, so there must be only one renderer. It belongs to the thread that creates it. A
    client's scene stays in Blender until another one replaces it, but no image depends on previous requests.

    Parameters
    ----------
    settings : ServerSettings
    source : SceneSource, optional
        The scene to which the client's objects are added. The default is the settings' .blend, or an empty
        scene.

    Raises
    ------
    SettingsError
        The .blend, the device, the environment or another setting cannot be used.
    """

    renders = frozenset(Render)
    looks = LOOKS

    def __init__(self, settings: ServerSettings, source: SceneSource | None = None) -> None:
        self._settings = settings
        self._source = source or FileSource(settings)
        self._base: BaseScene | None = None
        self._made_from: object = None
        self._renders: _Renders | None = None
        self._meshes = Meshes()
        try:
            self._refresh()
        except SettingsScriptError as error:
            _logger.error("every render will fail until this is fixed: %s", error)
        self.extensions = compat.importer_extensions()
        self.info = RendererInfo(
            name="Blender",
            version=bpy.app.version_string,
            engine=engines.engine_name(self._source.scene),
            device=self._source.device,
        )
        self._source.settle(is_shown=False)
        self._scratch = ScratchFolder(*self._source.leftovers)
        if source is None and self.info.device != "CPU":
            self._load_kernels()

    def render(self, frame: Frame) -> RenderedFrame:
        """Render one frame; see `Renderer.render`.

        Raises
        ------
        SettingsError
            The user's settings script failed, or the .blend does not exist any more.
        NoRoomError
            There is no space for Blender's files.
        """
        stages = Stages()
        views: tuple[Arrays, ...] = ()
        others: tuple[OtherObject, ...] = ()
        for part in _parts(frame):
            with self._distinguishing_full_disk(part), self._opened() as renders:
                views += render_views(part, _Backend(renders, stages), self._meshes)
                others = _others(renders.base, frame)
        return RenderedFrame(views, stages.milliseconds, others)

    @contextmanager
    def arranged(self, frame: Frame) -> Iterator[bpy.types.Scene]:
        """Set up a frame's first view as for its colour render, in a ``with`` statement.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        SettingsError
            As for `render`.
        """
        with self._opened() as renders:
            aim = renders.colour.arrange(frame, Stages())
            set_canvas(renders.base.colour.render, aim(frame.views[0]))
            yield renders.base.colour

    def close(self) -> None:
        """Remove the files of this renderer and of Blender's session."""
        self._scratch.remove()

    def _load_kernels(self) -> None:
        """Render a few pixels of an empty scene.

        Cycles loads a GPU's kernels with its first picture, which the first client would otherwise wait for.
        """
        scene = parse_scene(_EMPTY_GLTF, extensions=self.extensions)
        try:
            self.render(Frame(scene, (View(_SMALLEST_LENS, np.eye(4)),), ("color",)))
        except RenderServerError as error:
            _logger.warning("the first render on %s failed: %s", self.info.device, error)

    @contextmanager
    def _distinguishing_full_disk(self, frame: Frame) -> Iterator[None]:
        """Distinguish a failure because the file system is full, which is temporary, from a permanent one."""
        try:
            yield
        except (RenderError, OSError) as error:
            size_bytes = max(view.lens.width * view.lens.height for view in frame.views) * _PIXEL_BYTES
            if getattr(error, "errno", None) == errno.ENOSPC or self._scratch.lacks(size_bytes):
                _logger.error(
                    "there is no space left for temporary render files in %s: %s", self._scratch.path, error
                )
                raise NoRoomError(
                    "the server has no space left for temporary render files; try again later"
                ) from error
            raise

    @contextmanager
    def _opened(self) -> Iterator[_Renders]:
        """Open the renders, and settle the source at the end, whether or not the request succeeds."""
        is_shown = False
        try:
            renders = self._current_renders()
            try:
                yield renders
            except RenderError:
                renders.forget()
                raise
            is_shown = True
        finally:
            self._source.settle(is_shown=is_shown)

    def _current_renders(self) -> _Renders:
        base = self._refresh()
        if self._renders is None:
            self._renders = _Renders(base, self._scratch.path)
        return self._renders

    def _refresh(self) -> BaseScene:
        """Reopen the base scene if the .blend or the settings script has changed, or has failed before."""
        stamp = self._source.stamp()
        if self._base is None or stamp != self._made_from:
            self._base = self._renders = None  # stays None if this fails
            self._base = open_base(self._settings, self._source)
            self._made_from = stamp
        return self._base


class _Renders:
    """The renders of a base scene."""

    def __init__(self, base: BaseScene, folder: Path) -> None:
        self.base = base
        self.colour = ColourRender(base, Importer(base.workshop, folder), folder)
        self.exact = ExactRender(base)

    @cached_property
    def material(self) -> MaterialRender:
        """The material render. It copies all of the user's objects, so it is created only when needed."""
        return MaterialRender(self.base, self.colour)

    def forget(self) -> None:
        """Make Cycles discard its data of the scenes."""
        self.colour.scene.forget_render()
        self.exact.scene.forget_render()
        if "material" in vars(self):
            self.material.scene.forget_render()


@dataclass(frozen=True)
class _Backend:
    """See `passes.Backend`, `passes.LinearBackend` and `passes.MaterialBackend`."""

    _renders: _Renders
    _stages: Stages

    @property
    def rounding_px(self) -> float:
        return 0.0  # ray tracing draws edges at their exact positions

    def colour(self, frame: Frame) -> Callable[[View], NDArray[np.uint8]]:
        return self._renders.colour.views(frame, self._stages)

    def linear(self, frame: Frame) -> Callable[[View], Colour]:
        return self._renders.colour.linear_views(frame, self._stages)

    def material(self, frame: Frame) -> Callable[[View], MaterialValues]:
        return self._renders.material.views(frame, self._stages)

    def exact(
        self, frame: Frame, shown: NDArray[np.bool_], *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        return self._renders.exact.views(frame, shown, self._stages, with_triangles=with_triangles)

    def alone(self, frame: Frame) -> RenderPart:
        return self._renders.exact.alone(frame, self._stages)


def _others(base: BaseScene, frame: Frame) -> tuple[OtherObject, ...]:
    to_client = np.linalg.inv(base.from_client(frame))
    placed = zip(base.others.names, to_client @ base.others.matrix, strict=True)
    return tuple(OtherObject(name, matrix) for name, matrix in placed)


def _parts(frame: Frame) -> list[Frame]:
    """Divide a frame into frames that can be rendered at once: distant cameras cannot share an origin."""
    rigs = [tuple(view.camera_to_world for view in frame.views)]
    rigs += [moment.cameras for moment in frame.moments.values()]
    is_wide = np.ptp(np.array(rigs)[..., :3, 3], axis=1).max() > _LARGEST_RIG_M
    return frame.alone() if is_wide else [frame]
