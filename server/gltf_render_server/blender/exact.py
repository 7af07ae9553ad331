"""The exact pass: the client's shapes by number and depth, rendered once for a frame's depth and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..http.form import Camera, RenderRequest
from ..recent import RecentViews, view_bytes
from ..stopwatch import Stopwatch
from .base import BaseScene
from .importing import Importer
from .parts import Shapes
from .passes import ExactPass, read_exact, rendered_exact
from .scene import ClientScene, Layout

__all__ = ["ExactStage"]


@dataclass(frozen=True)
class _View:
    """All that an exact pass depends on, beside the server's own scene: equal views, equal passes."""

    layout: Layout
    poses: bytes
    camera: Camera


class ExactStage:
    """Holds what the last depth or label request showed, and the passes of the last views.

    Parameters
    ----------
    base : BaseScene
    importer : Importer
    folder : Path
        For the files that Blender writes.
    """

    def __init__(self, base: BaseScene, importer: Importer, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self._parts = Shapes(importer, base.flat)
        self._recent: RecentViews[ExactPass] = RecentViews()
        self.scene = ClientScene(base.exact, self._parts)

    def passes(self, request: RenderRequest, numbers: Sequence[int | None], watch: Stopwatch) -> ExactPass:
        """Return the passes of the canvas, (resolution_y, resolution_x) each.

        Parameters
        ----------
        request : RenderRequest
            Of either type: they differ in materials only, and those do not count.
        numbers : sequence of (int or None)
            The pass index of each of ``scene.primitives``; None = not to be rendered.
        watch : Stopwatch

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render it.
        """
        scene, placements = request.scene, request.scene.placements
        shown = np.array([number is not None for number in numbers], bool)[placements.primitive]
        placed = placements.primitive[shown].tolist()
        layout = Layout(
            tuple(scene.shapes[index] for index in placed), tuple(numbers[index] or 0 for index in placed)
        )
        to_blender = self._base.from_client(scene.camera_to_world)
        matrices, camera_to_world = to_blender @ placements.matrix[shown], to_blender @ scene.camera_to_world
        view = _View(layout, matrices.tobytes() + camera_to_world.tobytes(), request.camera)
        if (known := self._recent.find(view)) is not None:
            return known
        self._parts.load(scene, placed)
        is_new = self.scene.show(layout, matrices)
        self._base.introduce(self.scene)
        camera = self._base.aim(request.camera, camera_to_world)
        watch.lap("import" if is_new else "update")
        with rendered_exact(self._base.exact, camera, self._folder) as path:
            watch.lap("render")
            result = read_exact(path)
        size_bytes = view_bytes(request.camera.width, request.camera.height, len(matrices))
        self._recent.keep(view, result, size_bytes)
        return result
