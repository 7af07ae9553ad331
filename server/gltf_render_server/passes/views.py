"""The renders from which passes are computed. Each is made once, when a pass first uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..frame import Frame, View, When
from ..scene import Scene
from .alone import Alone, RenderPart
from .hits import Exact, Hits, lifted, rotated
from .meshes import Meshes
from .moved import Moved
from .objects import in_objects, object_boxes

__all__ = [
    "Backend",
    "Colour",
    "FrameRender",
    "LinearBackend",
    "MaterialBackend",
    "MaterialValues",
    "ViewRender",
]


@dataclass(frozen=True)
class Colour:
    """The colour image of a view in two forms, from the same render.

    Attributes
    ----------
    picture : (height, width, 3 or 4) uint8
        The display-referred image; with 4 channels, it has straight alpha.
    linear : (height, width, 3 or 4) float32
        The linear light, Rec. 709, before exposure and view transform; with 4 channels, the colours are
        premultiplied by alpha.
    """

    picture: NDArray[np.uint8]
    linear: NDArray[np.float32]


@dataclass(frozen=True)
class MaterialValues:
    """The material properties at the first surface that each pixel's ray meets; NaN means no surface.

    Attributes
    ----------
    albedo : (height, width, 3) float32
        The base colour, linear Rec. 709.
    roughness, metallic : (height, width) float32
        The roughness and metalness; NaN also for a material that has none.
    emission : (height, width, 3) float32
        The emitted radiance, linear Rec. 709.
    """

    albedo: NDArray[np.float32]
    roughness: NDArray[np.float32]
    metallic: NDArray[np.float32]
    emission: NDArray[np.float32]


class Backend(Protocol):
    """The renders that every back end supports. A subclass inherits `alone` and `rounding_px`."""

    @property
    def rounding_px(self) -> float:
        """How far an edge may be drawn from its true position.

        For triangles that extend far beyond the image, OpenGL was measured to draw edges up to 0.2 px off.
        """
        return 0.5

    def colour(self, frame: Frame) -> Callable[[View], NDArray[np.uint8]]:
        """Set up a frame's colour render, and return a function for a view; see `Render.COLOUR`."""
        ...

    def exact(
        self, frame: Frame, shown: NDArray[np.bool_], *, with_triangles: bool
    ) -> Callable[[View], Exact]:
        """Set up some of a frame's placements, (n,) bool, and return a function that renders a view."""
        ...

    def alone(self, frame: Frame) -> RenderPart:
        """Return a function that renders a part of a view with some of the placements and nothing else.

        Each pixel has the value that `exact` gives when only these placements exist, without the server's own
        objects. The result is not worth caching, because few of these parts are requested twice.
        """
        return lambda view, shown, window: self.exact(frame, shown, with_triangles=False)(view).placement[
            window.slices()
        ]


@runtime_checkable
class LinearBackend(Protocol):
    """The additional render of a back end that can return linear light."""

    def linear(self, frame: Frame) -> Callable[[View], Colour]:
        """Set up the frame like `Backend.colour`. The returned function also gives the linear image."""
        ...


@runtime_checkable
class MaterialBackend(Protocol):
    """The additional render of a back end that can return material properties."""

    def material(self, frame: Frame) -> Callable[[View], MaterialValues]:
        """Set up a frame's scene, and return a function for a view; see `Render.MATERIAL`."""
        ...


class FrameRender:
    """The renders of a frame.

    Parameters
    ----------
    frame : Frame
    backend : Backend
    meshes : Meshes
    with_triangles : bool
        Whether any pass needs the triangle that each pixel shows.
    with_linear : bool
        Whether any pass needs the linear image.

    Attributes
    ----------
    views : list of ViewRender
    """

    def __init__(
        self, frame: Frame, backend: Backend, meshes: Meshes, *, with_triangles: bool, with_linear: bool
    ) -> None:
        self.frame = frame
        self.meshes = meshes
        self.with_linear = with_linear
        self._backend = backend
        self._with_triangles = with_triangles
        self._exact: dict[bytes, list[Exact]] = {}
        self._moments: dict[When, FrameRender] = {}
        self.views = [ViewRender(self, index) for index in range(len(frame.views))]

    @cached_property
    def colour(self) -> Callable[[View], NDArray[np.uint8]]:
        """The function that renders colour."""
        return self._backend.colour(self.frame)

    @property
    def rounding_px(self) -> float:
        """See `Backend`."""
        return self._backend.rounding_px

    @cached_property
    def alone(self) -> RenderPart:
        """The function that renders some of the placements alone."""
        return self._backend.alone(self.frame)

    @cached_property
    def linear(self) -> Callable[[View], Colour]:
        """The function that renders colour together with the linear image.

        Raises
        ------
        RequestError
            The back end does not support it.
        """
        if not isinstance(self._backend, LinearBackend):
            raise RequestError("passes: this back end does not render the linear picture")
        return self._backend.linear(self.frame)

    @cached_property
    def material(self) -> Callable[[View], MaterialValues]:
        """The function that renders the material properties.

        Raises
        ------
        RequestError
            The back end does not support it.
        """
        if not isinstance(self._backend, MaterialBackend):
            raise RequestError("passes: this back end does not tell materials")
        return self._backend.material(self.frame)

    def exact(self, shown: NDArray[np.bool_]) -> list[Exact]:
        """Return the exact render of each view with some of the placements, (n,) bool.

        All views are rendered together, because setting up another moment or other placements may take longer
        than rendering a view.
        """
        key = shown.tobytes()
        if key not in self._exact:
            render = self._backend.exact(self.frame, shown, with_triangles=self._with_triangles)
            self._exact[key] = [render(view) for view in self.frame.views]
        return self._exact[key]

    def at(self, when: When) -> FrameRender:
        """Return the renders of the frame at another moment; see `Frame.at`."""
        if when not in self._moments:
            frame = self.frame.at(when)
            self._moments[when] = FrameRender(
                frame, self._backend, self.meshes, with_triangles=True, with_linear=False
            )
        return self._moments[when]


class ViewRender:
    """The renders of one view, and values derived from them.

    Attributes
    ----------
    view : View
    """

    def __init__(self, whole: FrameRender, index: int) -> None:
        self._whole = whole
        self._index = index
        self._moved: dict[When, Moved] = {}
        self.view = whole.frame.views[index]

    @property
    def frame(self) -> Frame:
        """The frame to which the view belongs."""
        return self._whole.frame

    @property
    def scene(self) -> Scene:
        """The scene that the view shows."""
        return self._whole.frame.scene

    @cached_property
    def colour(self) -> NDArray[np.uint8]:
        """See `Render.COLOUR`."""
        return self._both.picture if self._whole.with_linear else self._whole.colour(self.view)

    @property
    def linear(self) -> NDArray[np.float32]:
        """See `Render.LINEAR`. If a frame requests both, it comes from the same render as `colour`."""
        return self._both.linear

    @cached_property
    def _both(self) -> Colour:
        return self._whole.linear(self.view)

    @cached_property
    def material(self) -> MaterialValues:
        """See `Render.MATERIAL`."""
        return self._whole.material(self.view)

    @cached_property
    def exact(self) -> Exact:
        """The exact render of the whole scene."""
        return self.exact_of(np.ones(len(self.scene.placements), bool))

    def exact_of(self, shown: NDArray[np.bool_]) -> Exact:
        """Return the exact render with only some of the placements, (n,) bool."""
        return self._whole.exact(shown)[self._index]

    @cached_property
    def alone(self) -> Alone:
        """The silhouettes of each object alone."""
        whole = self._whole
        return Alone(whole.alone, self.frame, self.view, self.exact, whole.meshes, whole.rounding_px)

    @cached_property
    def hits(self) -> Hits:
        """The visible points of the whole scene."""
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
        """The visible points, (height, width, 3), in the world; NaN = nothing."""
        pose = self.view.camera_to_world
        return rotated(pose[:3, :3], self.camera_points) + pose[:3, 3]

    @cached_property
    def camera_points(self) -> NDArray[np.float64]:
        """The visible points, (height, width, 3), in the camera's axes; NaN = nothing."""
        return lifted(self.exact.depth, self.view.lens)

    @cached_property
    def object_points(self) -> NDArray[np.float64]:
        """The visible points in each object's own axes; NaN where there is no numbered object."""
        return in_objects(self.points, self.exact, self.scene)

    @cached_property
    def object_boxes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The low and high corners of each object's box, each (k, 3), in the object's own axes."""
        return object_boxes(self.scene, self._whole.meshes)

    def at(self, when: When) -> ViewRender:
        """Return the renders of the view at another moment; see `Frame.at`."""
        return self._whole.at(when).views[self._index]

    def moved(self, when: When) -> Moved:
        """Return where the visible points are in the view's image of another moment."""
        if when not in self._moved:
            other = self.at(when)
            self._moved[when] = Moved(self.hits, self.exact, self.points, self.view, other.scene, other.view)
        return self._moved[when]
