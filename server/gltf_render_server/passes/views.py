"""The renders that passes are made from: each is made once, when a pass first asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame, View
from ..scene import Scene
from .alone import Alone, RenderPart
from .hits import Exact, Hits, lifted, rotated
from .meshes import Meshes
from .objects import in_objects, object_boxes

__all__ = ["Backend", "FrameRender", "ViewRender"]


class Backend(Protocol):
    """What a back end renders. Who inherits it gets `alone` for nothing."""

    def colour(self, frame: Frame) -> Callable[[View], NDArray[np.uint8]]:
        """Show a frame's scene as colour needs it, and return what renders a view; see `Render.COLOUR`."""
        ...

    def exact(
        self, frame: Frame, shown: NDArray[np.bool_], *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        """Show some of a frame's placements, (n,) bool, and return what renders a view of them."""
        ...

    def alone(self, frame: Frame) -> RenderPart:
        """Return what renders a part of a view of some placements, and of nothing else.

        Each pixel is what `exact` tells of it where only these placements are there, and nothing that is
        the server's own. It is not to be kept: few of these parts are asked for twice.
        """
        return lambda view, shown, window: self.exact(frame, shown, with_triangles=False)(view).placement[
            window.slices()
        ]


class FrameRender:
    """The renders of a frame.

    Parameters
    ----------
    frame : Frame
    backend : Backend
    meshes : Meshes
    with_triangles : bool
        Whether any pass needs to know which triangle each pixel shows.

    Attributes
    ----------
    views : list of ViewRender
    """

    def __init__(self, frame: Frame, backend: Backend, meshes: Meshes, *, with_triangles: bool) -> None:
        self.frame = frame
        self.meshes = meshes
        self._backend = backend
        self._with_triangles = with_triangles
        self._exact: dict[bytes, Callable[[View], Exact]] = {}
        self.views = [ViewRender(self, view) for view in frame.views]

    @cached_property
    def colour(self) -> Callable[[View], NDArray[np.uint8]]:
        """What renders colour."""
        return self._backend.colour(self.frame)

    @cached_property
    def alone(self) -> RenderPart:
        """What renders some of the placements without anything else."""
        return self._backend.alone(self.frame)

    def exact(self, shown: NDArray[np.bool_]) -> Callable[[View], Exact]:
        """Return what renders some of the placements, (n,) bool."""
        key = shown.tobytes()
        if key not in self._exact:
            self._exact[key] = self._backend.exact(self.frame, shown, with_triangles=self._with_triangles)
        return self._exact[key]


class ViewRender:
    """The renders of one view, and what is known of them.

    Attributes
    ----------
    view : View
    """

    def __init__(self, whole: FrameRender, view: View) -> None:
        self._whole = whole
        self._known: dict[Any, Exact] = {}
        self.view = view

    @property
    def frame(self) -> Frame:
        """The frame that the view belongs to."""
        return self._whole.frame

    @property
    def scene(self) -> Scene:
        """What is seen."""
        return self._whole.frame.scene

    @cached_property
    def colour(self) -> NDArray[np.uint8]:
        """See `Render.COLOUR`."""
        return self._whole.colour(self.view)

    @property
    def exact(self) -> Exact:
        """What each pixel shows, where all of the scene is shown."""
        return self.exact_of(np.ones(len(self.scene.placements), bool))

    def exact_of(self, shown: NDArray[np.bool_]) -> Exact:
        """Return what each pixel shows, where only some placements, (n,) bool, are shown."""
        key = shown.tobytes()
        if key not in self._known:
            self._known[key] = self._whole.exact(shown)(self.view)
        return self._known[key]

    @cached_property
    def alone(self) -> Alone:
        """What would be seen of each object by itself."""
        return Alone(self._whole.alone, self.view, self.scene, self._whole.meshes)

    @cached_property
    def hits(self) -> Hits:
        """The points that are seen, where all of the scene is shown."""
        return Hits(self.exact, self.view, self.scene, self._whole.meshes)

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """The shading normals, (height, width, 3), in the camera's axes; NaN = nothing."""
        exact = self.exact
        normals = self.hits.image(self.hits.normals)
        if exact.others is not None and exact.others.normals is not None:
            normals[exact.is_other] = exact.others.normals[exact.is_other]
        return normals

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The points that are seen, (height, width, 3), in the world; NaN = nothing."""
        pose = self.view.camera_to_world
        return rotated(pose[:3, :3], self.camera_points) + pose[:3, 3]

    @cached_property
    def camera_points(self) -> NDArray[np.float64]:
        """The points that are seen, (height, width, 3), in the camera's axes; NaN = nothing."""
        return lifted(self.exact.depth, self.view.lens)

    @cached_property
    def object_points(self) -> NDArray[np.float64]:
        """The same in each object's own axes; NaN = nothing, or nothing that has a number."""
        return in_objects(self.points, self.exact, self.scene)

    @cached_property
    def object_boxes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lowest and the highest corner of each object's box, each (k, 3), in the object's own axes."""
        return object_boxes(self.scene, self._whole.meshes)
