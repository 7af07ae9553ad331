"""What a request asks for: a scene, its views, the passes, and the look. Every request becomes a `Frame`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import RequestError, SceneError, TooLargeError
from .scene import Cutout, Digest, Primitive, Scene

__all__ = ["ALPHA_THRESHOLD", "LOOKS", "Frame", "Lens", "Look", "Moment", "View", "When"]

When = Literal["before", "after"]
"""Selects one of the two other moments of a frame."""

ALPHA_THRESHOLD = 0.5
"""The default alpha at or above which a surface counts as solid."""

_LARGEST_SIDE_PX = 65536
"""Blender's limit for the width and height of an image."""

_SMALLEST_FOCAL_PX = 1e-9
"""With a smaller focal length, a single pixel would see the whole half space in front of the camera, and no
result would be exact.
"""

_LARGEST_PIXEL_ASPECT = 200.0
"""Blender's limit for the aspect ratio of a pixel."""


@dataclass(frozen=True)
class Lens:
    """The intrinsics and clipping planes of a pinhole camera.

    A point (x right, y down, z forward, metres) lands at ``u = focal_x x/z + center_x`` and
    ``v = focal_y y/z + center_y``, where ``u = 0`` is the left edge of the first column and
    ``v = 0`` the upper edge of the first row.

    Attributes
    ----------
    width, height : int
        The size of the image, px.
    focal_x, focal_y : float
        Focal lengths, px.
    center_x, center_y : float
        Principal point, px.
    near, far : float
        Clipping planes, metres along the optical axis.
    """

    width: int
    height: int
    focal_x: float
    focal_y: float
    center_x: float
    center_y: float
    near: float
    far: float

    def check(self, max_pixels: int) -> None:
        """Check the constraints that involve several fields.

        Parameters
        ----------
        max_pixels : int
            The largest number of pixels (width * height) that the server renders.

        Raises
        ------
        RequestError
            The clipping planes are in the wrong order, or the pixels are too far from square.
        TooLargeError
            The image is too large.
        """
        width, height = self.width, self.height
        if width * height > max_pixels:
            raise TooLargeError(
                f"width, height: {width} x {height} are {width * height} pixels; this server renders at most "
                f"{max_pixels} (option --max-pixels)"
            )
        if max(width, height) > _LARGEST_SIDE_PX:
            raise TooLargeError(
                f"width, height: {width} x {height}; a side has at most {_LARGEST_SIDE_PX} pixels"
            )
        if not self.near < self.far:
            raise RequestError(f"near, far: {self.near} must be less than {self.far}")
        shortest, longest = sorted((self.focal_x, self.focal_y))
        if shortest < _SMALLEST_FOCAL_PX:
            raise RequestError(f"focal_x, focal_y: {shortest} is less than {_SMALLEST_FOCAL_PX:g} px")
        if longest > _LARGEST_PIXEL_ASPECT * shortest:
            raise RequestError(
                f"focal_x, focal_y: {self.focal_x} : {self.focal_y} is too far from square pixels; "
                f"the ratio may be at most {_LARGEST_PIXEL_ASPECT:g}"
            )


@dataclass(frozen=True, eq=False)
class View:
    """A camera from which a scene is rendered.

    Attributes
    ----------
    lens : Lens
    camera_to_world : (4, 4) float64
        A rigid matrix for column vectors, in the world axes of the file. The camera looks along -z, with y
        up.
    name : str
        A name that is unique among the views of a frame.
    amodal_margin : float
        How far `mask_amodal` extends beyond each edge of the image, as a fraction (0 to 1) of the image's
        width and height. With 1, the masks are three times as wide and high as the image.
    """

    lens: Lens
    camera_to_world: NDArray[np.float64]
    name: str = "view"
    amodal_margin: float = 0.0


@dataclass(frozen=True)
class Look:
    """How a scene is lit and how its image is displayed.

    A field that is None takes its value from the server's options, .blend or settings script. Depth, labels
    and instances depend only on `up_axis`.

    Attributes
    ----------
    environment : str or None
        The name of an HDRI that Blender ships, or "none"; never a path. The named environment also lights
        scenes that have lights of their own.
    rotation_deg : float or None
        The rotation of the environment about the vertical axis, counter-clockwise as seen from above, in
        addition to its built-in rotation. None means 0. It has no effect without an environment.
    strength : float or None
        A factor that multiplies the environment's light. None means 1.
    exposure : float or None
        The exposure in stops, which replaces the scene's own. None means the scene's own exposure. If the
        client alone provides the light and no option sets the exposure, it is metered.
    view_transform : str or None
        The name of a view transform in Blender's colour management.
    quality : str or None
        The name of a preset for samples, noise threshold and denoising. It replaces all options for these.
    samples : int or None
        The maximum number of samples per pixel. None means that of the quality.
    transparent : bool or None
        Whether the background is transparent, which gives the colour image an alpha channel.
    up_axis : {"z", "y"} or None
        The axis of the file that points up.
    """

    environment: str | None = None
    rotation_deg: float | None = None
    strength: float | None = None
    exposure: float | None = None
    view_transform: str | None = None
    quality: str | None = None
    samples: int | None = None
    transparent: bool | None = None
    up_axis: str | None = None


LOOKS = frozenset(member.name for member in fields(Look))
"""The names of all fields of `Look`."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The scene and the cameras of a frame at another moment.

    Attributes
    ----------
    scene : Scene
        The state of the frame's asset at that moment.
    cameras : tuple of (4, 4) float64
        The `View.camera_to_world` of each view at that moment. The lenses do not change.
    """

    scene: Scene
    cameras: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """All that a renderer needs to know. Equal frames give equal bytes, whatever was rendered before.

    Attributes
    ----------
    scene : Scene
    views : tuple of View
        The views; at least one.
    passes : tuple of str
        The names of the passes in the table of passes; at least one.
    look : Look
    before, after : Moment or None
        The state of the scene and cameras at the previous and next moments, for motion passes.
    alpha_threshold : float or None
        How the exact passes treat transparent surfaces. With None, all surfaces are solid. With a number,
        surfaces with alpha mode MASK have the same holes as in the colour image, and surfaces with alpha mode
        BLEND are solid where their alpha is at least that number and have holes elsewhere. Colour does not
        depend on it.
    """

    scene: Scene
    views: tuple[View, ...]
    passes: tuple[str, ...]
    look: Look = field(default_factory=Look)
    before: Moment | None = None
    after: Moment | None = None
    alpha_threshold: float | None = None

    @property
    def moments(self) -> dict[When, Moment]:
        """The other moments that the frame contains."""
        known: dict[When, Moment | None] = {"before": self.before, "after": self.after}
        return {when: moment for when, moment in known.items() if moment is not None}

    def at(self, when: When) -> Frame:
        """Return the frame at another moment. The returned frame has no other moments itself.

        Raises
        ------
        RequestError
            The frame does not contain that moment.
        SceneError
            The scene has different surfaces at that moment.
        """
        moment = self.moments.get(when)
        if moment is None:
            raise RequestError(
                f"{when}: is missing; a pass that is asked for tells of the motion between this moment and "
                "another: send the other's poses, time_s or cameras"
            )
        if not _correspond(self.scene, moment.scene):
            raise SceneError(f"what it shows {when} has other surfaces; make both of one asset")
        views = zip(self.views, moment.cameras, strict=True)
        moved = tuple(replace(view, camera_to_world=camera) for view, camera in views)
        return replace(self, scene=moment.scene, views=moved, before=None, after=None)

    def alone(self) -> list[Frame]:
        """Return one frame for each view."""
        return [
            replace(
                self,
                views=(view,),
                **{
                    when: replace(moment, cameras=(moment.cameras[index],))
                    for when, moment in self.moments.items()
                },
            )
            for index, view in enumerate(self.views)
        ]

    def cutout(self, primitive: int) -> Cutout | None:
        """Return the holes of one of ``scene.primitives`` in the exact passes; None if it has none."""
        if self.alpha_threshold is None:
            return None
        return self.scene.asset.cutout(self.scene.primitives[primitive], self.alpha_threshold)

    @cached_property
    def shapes(self) -> tuple[Digest, ...]:
        """The digest of the geometry, with its holes, of each of ``scene.primitives``."""
        scene, threshold = self.scene, self.alpha_threshold
        if threshold is None:
            return scene.shapes

        def shape(primitive: Primitive) -> Digest:
            cutout = scene.asset.cutout(primitive, threshold)
            return scene.asset.shape(primitive) if cutout is None else cutout.shape

        return scene.stock.table("cutouts", shape, threshold)


def _correspond(scene: Scene, other: Scene) -> bool:
    """Return whether two scenes show the same surfaces of one asset, each at the same index."""
    is_same_asset = scene.asset is other.asset or (scene.asset.key and scene.asset.key == other.asset.key)
    return bool(is_same_asset) and all(
        np.array_equal(own, others) for own, others in zip(_surfaces(scene), _surfaces(other), strict=True)
    )


def _surfaces(scene: Scene) -> tuple[NDArray[np.intp], ...]:
    numbers = np.array([(item.mesh, item.number) for item in scene.primitives], np.intp).reshape(-1, 2)
    placements = scene.placements
    return numbers[placements.primitive], placements.instance, scene.instances.node
