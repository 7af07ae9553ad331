"""The colour picture: the client's surfaces and lights among what is the user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..http.form import RenderRequest
from ..stopwatch import Stopwatch
from .base import BaseScene
from .importing import Importer
from .lens import BlenderCamera
from .parts import Surfaces
from .passes import metered_colour, read_colour, rendered_colour
from .scene import ClientScene, Layout

__all__ = ["ColourStage"]


class ColourStage:
    """Holds what the last colour request showed.

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
        self._parts = Surfaces(importer)
        self.scene = ClientScene(base.colour, self._parts)

    def picture(self, request: RenderRequest, watch: Stopwatch) -> NDArray[np.uint8]:
        """Return the canvas, (resolution_y, resolution_x, 3 or 4) uint8.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        RenderError
            Blender cannot render it.
        """
        camera = self.arrange(request, watch)
        rendered = metered_colour if self._base.is_metered(request.scene) else rendered_colour
        with rendered(self._base.colour, camera, self._folder) as path:
            watch.lap("render")
            pixels = read_colour(path)
        watch.lap("read")
        return pixels

    def arrange(self, request: RenderRequest, watch: Stopwatch) -> BlenderCamera:
        """Show the client's scene, lit and seen as it would be rendered.

        Raises
        ------
        SceneError
            Blender cannot import the scene.
        """
        scene, placements = request.scene, request.scene.placements
        placed = placements.primitive.tolist()
        self._parts.load(scene, placed)
        self._base.light(scene_brings_lights=bool(scene.lights))
        meshes = tuple(scene.surfaces[index] for index in placed)
        lights = np.array([light.matrix for light in scene.lights]).reshape(-1, 4, 4)
        to_blender = self._base.from_client(scene.camera_to_world)
        matrices = to_blender @ np.concatenate([placements.matrix, lights])
        is_new = self.scene.show(Layout(meshes, lights=scene.light_sources), matrices)
        self._base.introduce(self.scene)
        camera = self._base.aim(request.camera, to_blender @ scene.camera_to_world)
        watch.lap("import" if is_new else "update")
        return camera
