"""The exact render: depth, and which of the client's placements each pixel shows."""

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
    """All that the render of a view depends on, beside the server's own scene."""

    shapes: tuple[PartKey, ...]
    poses: bytes
    shown: bytes
    lens: Lens


@dataclass(frozen=True, eq=False)
class _Setting:
    """What a frame places in Blender, whichever of it is shown."""

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
    """Holds what the last frame with exact passes showed, and the renders of the last views.

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
        """Return what renders a view of a frame's scene.

        Parameters
        ----------
        frame : Frame
        shown : (number of placements,) bool
            Those that a ray may meet.
        stages : Stages
        with_triangles : bool
            Whether the numbers of the triangles are needed.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render it.
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
            exact = self._told(images, setting.numbering, camera_to_world, setting.to_blender)
            stages.lap("read")
            size_bytes = view_bytes(view.lens.width, view.lens.height, len(setting.placed))
            self._recent.keep(key, exact, size_bytes)
            return exact

        return render

    def alone(self, frame: Frame, stages: Stages) -> RenderPart:
        """Return what renders some placements of a frame's scene without anything else; as `views`."""
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
        """Bring a frame's objects into the scene."""
        self._shown = None  # until it is all there
        self._parts.load(setting.frame, setting.placed)
        is_new = self.scene.show(setting.layout, setting.matrices)
        self._show_triangles(with_triangles, is_new=is_new)
        self._base.introduce(self.scene)
        stages.lap("import" if is_new else "update")

    def _show_triangles(self, wanted: bool, *, is_new: bool) -> None:
        """Let Cycles tell the numbers of triangles, for a fifth more time.

        It goes on until other meshes are shown, because Cycles must begin anew to take them up.
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
        """Render a view or a window of it, once for each digit of its objects' numbers."""
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

    def _told(
        self,
        images: list[ExactImages],
        numbering: Numbering,
        camera_to_world: NDArray[np.float64],
        to_blender: NDArray[np.float64],
    ) -> Exact:
        """Tell what images show, whose camera stands in Blender's world."""
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
