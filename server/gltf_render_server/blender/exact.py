"""The exact render: depth, and which of the client's placements each pixel shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, Lens, View
from ..passes import Exact, Others
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


class ExactRender:
    """Holds what the last frame with exact passes showed, and the renders of the last views.

    Parameters
    ----------
    base : BaseScene
    folder : Path
        For the files that Blender writes.
    """

    def __init__(self, base: BaseScene, folder: Path) -> None:
        self._base = base
        self._folder = folder
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
        placements = frame.scene.placements
        placed = placements.primitive.tolist()
        layout = Layout(tuple(frame.shapes[index] for index in placed))
        to_blender = self._base.from_client(frame)
        matrices = to_blender @ placements.matrix
        numbering = Numbering(len(placed), self._base.free_pass_indices)
        this = object()

        def show() -> None:
            if self._shown is this:
                return
            self._shown = None  # until it is all there
            self._parts.load(frame, placed)
            is_new = self.scene.show(layout, matrices)
            self.scene.hide(~shown)
            self._show_triangles(with_triangles, is_new=is_new)
            self._base.introduce(self.scene)
            self._shown = this
            stages.lap("import" if is_new else "update")

        def render(view: View) -> Exact:
            camera_to_world = to_blender @ view.camera_to_world
            poses = matrices.tobytes() + camera_to_world.tobytes()
            key = _Key(layout.meshes, poses, shown.tobytes(), view.lens)
            known = self._recent.find(key)
            if known is not None and (known.triangle is not None or not with_triangles):
                return known
            show()
            images = self._rendered(view.lens, camera_to_world, numbering, stages)
            exact = self._told(images, numbering, camera_to_world, to_blender)
            stages.lap("read")
            size_bytes = view_bytes(view.lens.width, view.lens.height, len(placed))
            self._recent.keep(key, exact, size_bytes)
            return exact

        return render

    def _show_triangles(self, wanted: bool, *, is_new: bool) -> None:
        """Let Cycles tell the numbers of triangles, for a fifth more time.

        It goes on until other meshes are shown, because Cycles must begin anew to take them up.
        """
        layer = self._base.exact.view_layers[0]
        if wanted > layer.use_pass_uv or (is_new and wanted < layer.use_pass_uv):
            layer.use_pass_uv = wanted
            layer.use_pass_normal = wanted and not self._base.is_empty
            self.scene.begin_anew()

    def _rendered(
        self, lens: Lens, camera_to_world: NDArray[np.float64], numbering: Numbering, stages: Stages
    ) -> list[ExactImages]:
        """Render a view, once for each digit of its objects' numbers."""
        camera = self._base.aim(lens, camera_to_world)
        images: list[ExactImages] = []
        for indices in numbering.digits:
            self.scene.number(indices)
            stages.lap("update")
            with rendered_exact(self._base.exact, camera, self._folder) as path:
                stages.lap("render")
                images.append(read_exact(path).cropped(lens.width, lens.height))
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
