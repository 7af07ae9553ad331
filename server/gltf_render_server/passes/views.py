"""The renders that passes are made from: each is made once, when a pass first asks for it."""

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
    """What a view looks like, twice of the same render.

    Attributes
    ----------
    picture : (height, width, 3 or 4) uint8
        Display-referred; 4 where it has alpha, which is straight.
    linear : (height, width, 3 or 4) float32
        The light that comes in, linear Rec. 709, before exposure and view transform; 4 where it has alpha,
        by which it is premultiplied.
    """

    picture: NDArray[np.uint8]
    linear: NDArray[np.float32]


@dataclass(frozen=True)
class MaterialValues:
    """What the material says that one ray through each pixel's centre meets first; NaN = nothing.

    Attributes
    ----------
    albedo : (height, width, 3) float32
        Base colour, linear Rec. 709.
    roughness, metallic : (height, width) float32
        NaN, too, where a material has none.
    emission : (height, width, 3) float32
        Emitted radiance, linear Rec. 709.
    """

    albedo: NDArray[np.float32]
    roughness: NDArray[np.float32]
    metallic: NDArray[np.float32]
    emission: NDArray[np.float32]


class Backend(Protocol):
    """What every back end renders. Who inherits it gets `alone` and `rounding_px` for nothing."""

    @property
    def rounding_px(self) -> float:
        """How far beside its place an edge may be drawn.

        OpenGL has been seen to move those of triangles that reach far beyond the image by 0.2 px.
        """
        return 0.5

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


@runtime_checkable
class LinearBackend(Protocol):
    """What a back end renders that knows the light behind its pictures."""

    def linear(self, frame: Frame) -> Callable[[View], Colour]:
        """Do as `Backend.colour`; what renders a view returns the linear picture, too."""
        ...


@runtime_checkable
class MaterialBackend(Protocol):
    """What a back end renders that can tell what surfaces are made of."""

    def material(self, frame: Frame) -> Callable[[View], MaterialValues]:
        """Show a frame's scene, and return what tells a view's materials; see `Render.MATERIAL`."""
        ...


class FrameRender:
    """The renders of a frame.

    Parameters
    ----------
    frame : Frame
    backend : Backend
    meshes : Meshes
    with_triangles : bool
        Whether any pass needs to know which triangle each pixel shows.
    with_linear : bool
        Whether any pass needs the linear picture.

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
        """What renders colour."""
        return self._backend.colour(self.frame)

    @property
    def rounding_px(self) -> float:
        """See `Backend`."""
        return self._backend.rounding_px

    @cached_property
    def alone(self) -> RenderPart:
        """What renders some of the placements without anything else."""
        return self._backend.alone(self.frame)

    @cached_property
    def linear(self) -> Callable[[View], Colour]:
        """What renders colour and the linear picture behind it.

        Raises
        ------
        RequestError
            The back end cannot.
        """
        if not isinstance(self._backend, LinearBackend):
            raise RequestError("passes: this back end does not render the linear picture")
        return self._backend.linear(self.frame)

    @cached_property
    def material(self) -> Callable[[View], MaterialValues]:
        """What tells the materials.

        Raises
        ------
        RequestError
            The back end cannot.
        """
        if not isinstance(self._backend, MaterialBackend):
            raise RequestError("passes: this back end does not tell materials")
        return self._backend.material(self.frame)

    def exact(self, shown: NDArray[np.bool_]) -> list[Exact]:
        """Return what the pixels of each view show of some of the placements, (n,) bool.

        All views are rendered at once: another moment, or other placements, may take longer to show than a
        view takes to render.
        """
        key = shown.tobytes()
        if key not in self._exact:
            render = self._backend.exact(self.frame, shown, with_triangles=self._with_triangles)
            self._exact[key] = [render(view) for view in self.frame.views]
        return self._exact[key]

    def at(self, when: When) -> FrameRender:
        """Return the renders of the frame as it is at another moment; see `Frame.at`."""
        if when not in self._moments:
            frame = self.frame.at(when)
            self._moments[when] = FrameRender(
                frame, self._backend, self.meshes, with_triangles=True, with_linear=False
            )
        return self._moments[when]


class ViewRender:
    """The renders of one view, and what is known of them.

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
        """The frame that the view belongs to."""
        return self._whole.frame

    @property
    def scene(self) -> Scene:
        """What is seen."""
        return self._whole.frame.scene

    @cached_property
    def colour(self) -> NDArray[np.uint8]:
        """See `Render.COLOUR`."""
        return self._both.picture if self._whole.with_linear else self._whole.colour(self.view)

    @property
    def linear(self) -> NDArray[np.float32]:
        """See `Render.LINEAR`; where a frame asks for it, it is of the same render as `colour`."""
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
        """What each pixel shows, where all of the scene is shown."""
        return self.exact_of(np.ones(len(self.scene.placements), bool))

    def exact_of(self, shown: NDArray[np.bool_]) -> Exact:
        """Return what each pixel shows, where only some placements, (n,) bool, are shown."""
        return self._whole.exact(shown)[self._index]

    @cached_property
    def alone(self) -> Alone:
        """What would be seen of each object by itself."""
        whole = self._whole
        return Alone(whole.alone, self.frame, self.view, self.exact, whole.meshes, whole.rounding_px)

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

    def at(self, when: When) -> ViewRender:
        """Return the renders of the view as it is at another moment; see `Frame.at`."""
        return self._whole.at(when).views[self._index]

    def moved(self, when: When) -> Moved:
        """Return where the points that are seen are in the view's image of another moment."""
        if when not in self._moved:
            other = self.at(when)
            self._moved[when] = Moved(self.hits, self.exact, self.points, self.view, other.scene, other.view)
        return self._moved[when]
