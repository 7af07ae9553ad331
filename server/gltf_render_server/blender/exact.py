"""The exact render: depth, and which of the client's placements each pixel shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, Lens, View
from ..passes import Exact
from ..recent import RecentViews, view_bytes
from ..stages import Stages
from .base import BaseScene
from .numbering import Numbering
from .parts import PartKey, Shapes
from .rendering import read_exact, rendered_exact
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
        self.scene = ClientScene(base.exact, self._parts)

    def views(self, frame: Frame, shown: NDArray[np.bool_], stages: Stages) -> Callable[[View], Exact]:
        """Return what renders a view of a frame's scene.

        Parameters
        ----------
        frame : Frame
        shown : (number of placements,) bool
            Those that a ray may meet.
        stages : Stages

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render it.
        """
        scene, placements = frame.scene, frame.scene.placements
        placed = placements.primitive.tolist()
        layout = Layout(tuple(scene.shapes[index] for index in placed))
        to_blender = self._base.from_client(frame)
        matrices = to_blender @ placements.matrix
        numbering = Numbering(len(placed), self._base.free_pass_indices)

        @cache
        def show() -> None:
            self._parts.load(scene, placed)
            is_new = self.scene.show(layout, matrices)
            self.scene.hide(~shown)
            self._base.introduce(self.scene)
            stages.lap("import" if is_new else "update")

        def render(view: View) -> Exact:
            camera_to_world = to_blender @ view.camera_to_world
            poses = matrices.tobytes() + camera_to_world.tobytes()
            key = _Key(layout.meshes, poses, shown.tobytes(), view.lens)
            if (known := self._recent.find(key)) is not None:
                return known
            show()
            exact = self._rendered(view.lens, camera_to_world, numbering, stages)
            size_bytes = view_bytes(view.lens.width, view.lens.height, len(placed))
            self._recent.keep(key, exact, size_bytes)
            return exact

        return render

    def _rendered(
        self, lens: Lens, camera_to_world: NDArray[np.float64], numbering: Numbering, stages: Stages
    ) -> Exact:
        camera = self._base.aim(lens, camera_to_world)
        depth = np.empty((0, 0), np.float32)
        images: list[NDArray[np.uint16]] = []
        for indices in numbering.digits:
            self.scene.number(indices)
            stages.lap("update")
            with rendered_exact(self._base.exact, camera, self._folder) as path:
                stages.lap("render")
                depth, image = read_exact(path)
            images.append(image)
        window = np.s_[: lens.height, : lens.width]  # see `BlenderCamera`
        exact = Exact(depth[window], numbering.read(images)[window])
        stages.lap("read")
        return exact
