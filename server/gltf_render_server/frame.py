"""What is asked: a scene, the views of it, the passes, and the look. All that comes in becomes a `Frame`."""

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
"""Which other moment."""

ALPHA_THRESHOLD = 0.5
"""What is at least half there is solid, unless a request says otherwise."""

_LARGEST_SIDE_PX = 65536
"""Blender's limit for a side of an image."""

_SMALLEST_FOCAL_PX = 1e-9
"""Less would see all of the half space in front of it in one pixel; nothing that comes of it is exact."""

_LARGEST_PIXEL_ASPECT = 200.0
"""Blender's limit for how far a pixel may be from square."""


@dataclass(frozen=True)
class Lens:
    """A pinhole camera's intrinsics and clipping planes.

    A point (x right, y down, z forward, metres) lands at ``u = focal_x x/z + center_x`` and
    ``v = focal_y y/z + center_y``, where ``u = 0`` is the left edge of the first column and
    ``v = 0`` the upper edge of the first row.

    Attributes
    ----------
    width, height : int
        Size of the image, px.
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
        """Check what single numbers do not tell.

        Parameters
        ----------
        max_pixels : int
            The largest image that the server renders, width * height.

        Raises
        ------
        RequestError
            The planes are in the wrong order, or pixels are too far from square.
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
    """From where a scene is seen.

    Attributes
    ----------
    lens : Lens
    camera_to_world : (4, 4) float64
        Rigid, column vectors, in the file's own world axes; the camera looks along -z with y up.
    name : str
        Unique among the views of a frame.
    amodal_margin : float
        How far `mask_amodal` reaches beyond each edge of the image, in widths and heights of it, 0 to 1; 1
        makes the masks three times as wide and high.
    """

    lens: Lens
    camera_to_world: NDArray[np.float64]
    name: str = "view"
    amodal_margin: float = 0.0


@dataclass(frozen=True)
class Look:
    """How a scene is lit and shown.

    None means as the server's options, its .blend or its settings script say. Depth, labels and instances
    depend on `up_axis` alone.

    Attributes
    ----------
    environment : str or None
        Name of an HDRI that Blender ships, or "none"; never a path. A scene that brings light of its own is
        lit by the named one, too.
    rotation_deg : float or None
        By which the environment is turned about the vertical axis, counter-clockwise as seen from above, on
        top of how it is shipped; None = 0. Nothing where no environment is shown.
    strength : float or None
        By which the environment's light is multiplied; None = 1.
    exposure : float or None
        In stops, instead of the scene's own. None = the scene's own, and metered where the client alone
        brings light and no option says otherwise.
    view_transform : str or None
        A view transform of Blender's colour management.
    quality : str or None
        Preset of samples, noise threshold and denoising, instead of all that the options say of these.
    samples : int or None
        A pixel, at most. None = the quality's.
    transparent : bool or None
        Whether the background is left out, and the colour picture has an alpha channel.
    up_axis : {"z", "y"} or None
        Which axis of the file points up.
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
"""The names of all members of a look."""


@dataclass(frozen=True, eq=False)
class Moment:
    """How a frame's scene and cameras stand at another moment.

    Attributes
    ----------
    scene : Scene
        What the frame's asset shows then.
    cameras : tuple of (4, 4) float64
        The `View.camera_to_world` of each of the frame's views then; their lenses stay as they are.
    """

    scene: Scene
    cameras: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """All that a renderer needs to know; the same frame gives the same bytes, whatever came before.

    Attributes
    ----------
    scene : Scene
    views : tuple of View
        At least one.
    passes : tuple of str
        Names of rows of the table of passes, at least one.
    look : Look
    before, after : Moment or None
        How all of it stands at another moment, for passes that tell of motion.
    alpha_threshold : float or None
        What the exact passes take for a hole. None = nothing: all surfaces are solid. A number: surfaces of
        the mode MASK are cut out as colour shows them; those of the mode BLEND are solid where their alpha is
        at least this, and holes elsewhere. Colour does not depend on it.
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
        """The other moments that the frame knows of."""
        known: dict[When, Moment | None] = {"before": self.before, "after": self.after}
        return {when: moment for when, moment in known.items() if moment is not None}

    def at(self, when: When) -> Frame:
        """Return the frame as it is at another moment, which knows of no other.

        Raises
        ------
        RequestError
            The frame does not know how things stand then.
        SceneError
            What the scene shows then is something else.
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
        """Return a frame for each view."""
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
        """Tell where one of ``scene.primitives`` has holes in the exact passes; None = nowhere."""
        if self.alpha_threshold is None:
            return None
        return self.scene.asset.cutout(self.scene.primitives[primitive], self.alpha_threshold)

    @cached_property
    def shapes(self) -> tuple[Digest, ...]:
        """For each of ``scene.primitives``, what the exact passes see of it, its holes included."""
        scene, threshold = self.scene, self.alpha_threshold
        if threshold is None:
            return scene.shapes

        def tell(primitive: Primitive) -> Digest:
            cutout = scene.asset.cutout(primitive, threshold)
            return scene.asset.shape(primitive) if cutout is None else cutout.shape

        return scene.stock.table("cutouts", tell, threshold)


def _correspond(scene: Scene, other: Scene) -> bool:
    """Tell whether two scenes show one asset's surfaces, each at the same index."""
    is_same_asset = scene.asset is other.asset or (scene.asset.key and scene.asset.key == other.asset.key)
    return bool(is_same_asset) and all(
        np.array_equal(own, others) for own, others in zip(_surfaces(scene), _surfaces(other), strict=True)
    )


def _surfaces(scene: Scene) -> tuple[NDArray[np.intp], ...]:
    numbers = np.array([(item.mesh, item.number) for item in scene.primitives], np.intp).reshape(-1, 2)
    placements = scene.placements
    return numbers[placements.primitive], placements.instance, scene.instances.node
