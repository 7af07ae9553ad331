"""The colour render: the client's surfaces and lights, together with the user's own scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, View
from ..passes import Colour
from ..stages import Stages
from .base import BaseScene
from .importing import Importer
from .lens import BlenderCamera
from .parts import Surfaces
from .rendering import linear_colour, metered_colour, read_colour, rendered_colour
from .scene import ClientScene, Layout

__all__ = ["ColourRender"]

_Read = TypeVar("_Read")


class ColourRender:
    """Renders colour, and keeps the last scene loaded.

    Parameters
    ----------
    base : BaseScene
    importer : Importer
    folder : Path
        A folder for the files that Blender writes.
    """

    def __init__(self, base: BaseScene, importer: Importer, folder: Path) -> None:
        self.base = base
        self._folder = folder
        self.parts = Surfaces(importer)
        self.scene = ClientScene(base.colour, self.parts)

    def views(self, frame: Frame, stages: Stages) -> Callable[[View], NDArray[np.uint8]]:
        """Set up a frame, and return a function that renders a view, (height, width, 3 or 4) uint8.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RequestError
            The look names something that does not exist.
        RenderError
            Blender cannot render the scene.
        """
        return self._views(frame, stages, _picture)

    def linear_views(self, frame: Frame, stages: Stages) -> Callable[[View], Colour]:
        """Set up a frame like `views`. The returned function also gives the linear image."""

        def read(path: Path, view: View) -> Colour:
            linear = linear_colour(self.base.colour, self._folder)
            return Colour(_picture(path, view), linear[_window(view)])

        return self._views(frame, stages, read)

    def _views(
        self, frame: Frame, stages: Stages, read: Callable[[Path, View], _Read]
    ) -> Callable[[View], _Read]:
        aim = self.arrange(frame, stages)
        rendered = metered_colour if self.base.looks.is_metered(frame) else rendered_colour

        def render(view: View) -> _Read:
            camera = aim(view)
            stages.lap("update")
            with rendered(self.base.colour, camera, self._folder) as path:
                stages.lap("render")
                images = read(path, view)
            stages.lap("read")
            return images

        return render

    def arrange(self, frame: Frame, stages: Stages) -> Callable[[View], BlenderCamera]:
        """Set up a frame as for its render, and return a function that aims the camera at a view.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RequestError
            The look names something that does not exist.
        """
        if self.base.looks.apply(frame):
            self.scene.forget_render()
        self.show(frame, stages)
        to_blender = self.base.from_client(frame)
        return lambda view: self.base.aim(view.lens, to_blender @ view.camera_to_world)

    def show(self, frame: Frame, stages: Stages) -> None:
        """Set up a frame's scene, without setting the lighting.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        """
        scene, placements = frame.scene, frame.scene.placements
        placed = placements.primitive.tolist()
        self.parts.load(scene, placed)
        meshes = tuple(scene.surfaces[index] for index in placed)
        lights = np.array([light.matrix for light in scene.lights]).reshape(-1, 4, 4)
        matrices = self.base.from_client(frame) @ np.concatenate([placements.matrix, lights])
        is_new = self.scene.show(Layout(meshes, scene.light_sources), matrices)
        self.base.introduce(self.scene)
        stages.lap("import" if is_new else "update")


def _picture(path: Path, view: View) -> NDArray[np.uint8]:
    return read_colour(path)[_window(view)]


def _window(view: View) -> tuple[slice, slice]:
    return np.s_[: view.lens.height, : view.lens.width]  # see `BlenderCamera`
