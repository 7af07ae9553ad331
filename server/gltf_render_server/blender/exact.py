"""The exact render: the depth and the placement of each pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, Lens, View
from ..passes import Exact, Others, RenderPart, Window
from ..passes.hits import rotated
from ..recent import RecentViews, view_bytes
from ..stages import Stages
from .base import BaseScene
from .numbering import Numbering
from .parts import PartKey, Shapes
from .rendering import ExactImages, read_exact, rendered_exact
from .scene import ClientScene, Layout

__all__ = ["ExactRender"]


@dataclass(frozen=True)
class _Key:
    """Everything that the render of a view depends on, besides the server's own scene."""

    shapes: tuple[PartKey, ...]
    poses: bytes
    shown: bytes
    lens: Lens


@dataclass(frozen=True, eq=False)
class _Setting:
    """The objects that a frame places in Blender, regardless of which of them are shown."""

    frame: Frame
    placed: list[int]
    layout: Layout
    to_blender: NDArray[np.float64]
    matrices: NDArray[np.float64]
    numbering: Numbering

    @staticmethod
    def of(frame: Frame, base: BaseScene) -> _Setting:
        placements = frame.scene.placements
        placed = placements.primitive.tolist()
        to_blender = base.from_client(frame)
        return _Setting(
            frame,
            placed,
            Layout(tuple(frame.shapes[index] for index in placed)),
            to_blender,
            to_blender @ placements.matrix,
            Numbering(len(placed), base.free_pass_indices),
        )


class ExactRender:
    """Renders exact passes. It keeps the last scene loaded, and caches recent views.

    Parameters
    ----------
    base : BaseScene
    """

    def __init__(self, base: BaseScene) -> None:
        self._base = base
        self._parts = Shapes(base.flat)
        self._recent: RecentViews[Exact] = RecentViews()
        self._shown: object = None
        self.scene = ClientScene(base.exact, self._parts)

    def views(
        self, frame: Frame, shown: NDArray[np.bool_], stages: Stages, *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        """Return a function that renders a view of a frame's scene.

        Parameters
        ----------
        frame : Frame
        shown : (number of placements,) bool
            The placements that rays can meet.
        stages : Stages
        with_triangles : bool
            Whether the triangle numbers are needed.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render the scene.
        """
        setting = _Setting.of(frame, self._base)
        poses, who = setting.matrices.tobytes(), shown.tobytes()
        this = object()

        def show() -> None:
            if self._shown is this:
                return
            self._load(setting, stages, with_triangles=with_triangles)
            self.scene.hide(~shown)
            self._base.show_own(is_shown=True)
            self._shown = this

        def render(view: View) -> Exact:
            camera_to_world = setting.to_blender @ view.camera_to_world
            key = _Key(setting.layout.meshes, poses + camera_to_world.tobytes(), who, view.lens)
            known = self._recent.find(key)
            if known is not None and (known.triangle is not None or not with_triangles):
                return known
            show()
            images = self._images(view.lens, camera_to_world, setting.numbering, stages)
            exact = self._decoded(images, setting.numbering, camera_to_world, setting.to_blender)
            stages.lap("read")
            size_bytes = view_bytes(view.lens.width, view.lens.height, len(setting.placed))
            self._recent.keep(key, exact, size_bytes)
            return exact

        return render

    def alone(self, frame: Frame, stages: Stages) -> RenderPart:
        """Return a function that renders some placements of a frame alone; errors as in `views`."""
        setting = _Setting.of(frame, self._base)
        this = object()

        def render(view: View, shown: NDArray[np.bool_], window: Window) -> NDArray[np.int32]:
            if self._shown is not this:
                self._load(setting, stages, with_triangles=False)
                self._base.show_own(is_shown=False)
                self._shown = this
            self.scene.hide(~shown)
            camera_to_world = setting.to_blender @ view.camera_to_world
            images = self._images(view.lens, camera_to_world, setting.numbering, stages, window)
            placement = setting.numbering.read([image.object_index for image in images])
            stages.lap("read")
            return placement

        return render

    def _load(self, setting: _Setting, stages: Stages, *, with_triangles: bool) -> None:
        """Add a frame's objects to the scene."""
        self._shown = None  # stays None if loading fails
        self._parts.load(setting.frame, setting.placed)
        is_new = self.scene.show(setting.layout, setting.matrices)
        self._show_triangles(with_triangles, is_new=is_new)
        self._base.introduce(self.scene)
        stages.lap("import" if is_new else "update")

    def _show_triangles(self, wanted: bool, *, is_new: bool) -> None:
        """Enable or disable triangle numbers, which take a fifth more render time.

        They stay enabled until other meshes are shown, because Cycles has to reload everything to enable
        them.
        """
        layer = self._base.exact.view_layers[0]
        if wanted > layer.use_pass_uv or (is_new and wanted < layer.use_pass_uv):
            layer.use_pass_uv = wanted
            layer.use_pass_normal = wanted and not self._base.is_empty
            self.scene.begin_anew()

    def _images(
        self,
        lens: Lens,
        camera_to_world: NDArray[np.float64],
        numbering: Numbering,
        stages: Stages,
        window: Window | None = None,
    ) -> list[ExactImages]:
        """Render a view, or a window of it, once for each digit of the objects' numbers."""
        camera = self._base.aim(lens, camera_to_world)
        images: list[ExactImages] = []
        for indices in numbering.digits:
            self.scene.number(indices)
            stages.lap("update")
            passes = rendered_exact(self._base.exact, camera, window)
            stages.lap("render")
            image = read_exact(passes)
            images.append(image.cropped(lens.width, lens.height) if window is None else image)
        return images

    def _decoded(
        self,
        images: list[ExactImages],
        numbering: Numbering,
        camera_to_world: NDArray[np.float64],
        to_blender: NDArray[np.float64],
    ) -> Exact:
        """Decode the rendered images, whose camera is given in Blender's world."""
        first = images[0]
        placement = numbering.read([image.object_index for image in images])
        if self._base.is_empty:
            return Exact(first.depth, placement, first.triangle)
        known = self._base.others
        normals = first.normals
        others = Others(
            numbering.read_others(first.object_index, known.pass_indices),
            np.linalg.inv(to_blender) @ known.matrix,
            None if normals is None else rotated(np.linalg.inv(camera_to_world)[:3, :3], normals),
        )
        return Exact(first.depth, placement, first.triangle, others)
