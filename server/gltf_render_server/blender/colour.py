"""The colour picture: the client's surfaces and lights among what is the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, View
from ..stages import Stages
from .base import BaseScene
from .importing import Importer
from .lens import BlenderCamera
from .parts import Surfaces
from .rendering import metered_colour, read_colour, rendered_colour
from .scene import ClientScene, Layout

__all__ = ["ColourRender"]


class ColourRender:
    """Holds what the last frame with a colour pass showed.

    Parameters
    ----------
    base : BaseScene
    importer : Importer
    folder : Path
        For the files that Blender writes.
    """

    def __init__(self, base: BaseScene, importer: Importer, folder: Path) -> None:
        self.base = base
        self._folder = folder
        self._parts = Surfaces(importer)
        self.scene = ClientScene(base.colour, self._parts)

    def views(self, frame: Frame, stages: Stages) -> Callable[[View], NDArray[np.uint8]]:
        """Show a frame's scene, and return what renders a view of it, (height, width, 3 or 4) uint8.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RequestError
            The look names something that is not there.
        RenderError
            Blender cannot render it.
        """
        aim = self.arrange(frame, stages)
        rendered = metered_colour if self.base.looks.is_metered(frame) else rendered_colour

        def render(view: View) -> NDArray[np.uint8]:
            camera = aim(view)
            stages.lap("update")
            with rendered(self.base.colour, camera, self._folder) as path:
                stages.lap("render")
                pixels = read_colour(path)
            stages.lap("read")
            return pixels[: view.lens.height, : view.lens.width]  # see `BlenderCamera`

        return render

    def arrange(self, frame: Frame, stages: Stages) -> Callable[[View], BlenderCamera]:
        """Show a frame's scene, lit as it would be rendered, and return what aims the camera at a view.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RequestError
            The look names something that is not there.
        """
        if self.base.looks.apply(frame):
            self.scene.forget_render()
        scene, placements = frame.scene, frame.scene.placements
        placed = placements.primitive.tolist()
        self._parts.load(scene, placed)
        meshes = tuple(scene.surfaces[index] for index in placed)
        lights = np.array([light.matrix for light in scene.lights]).reshape(-1, 4, 4)
        to_blender = self.base.from_client(frame)
        matrices = to_blender @ np.concatenate([placements.matrix, lights])
        is_new = self.scene.show(Layout(meshes, scene.light_sources), matrices)
        self.base.introduce(self.scene)
        stages.lap("import" if is_new else "update")
        return lambda view: self.base.aim(view.lens, to_blender @ view.camera_to_world)
