"""The kinds of poses. Each kind is a class that returns the pose with a number."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from ...errors import RequestError, SceneError
from ...frame import Lens
from ...http.api import MatrixRows, choose_camera, find_rigid
from ...scene import Scene, SceneCamera
from ..choices import Range, draw
from .bounds import bounds
from .matrices import direction, looking_along, looking_at, looking_back
from .setting import Angle, Elevation, Length, Made, Point, Setting, Target, check_ends
from .targets import DirectionTarget, PointTarget, check_box, draw_in_box, find_target, is_random

__all__ = [
    "BoxPoses",
    "DocumentPoses",
    "HemispherePoses",
    "ListPoses",
    "OrbitPoses",
    "Pose",
    "SpherePoses",
    "fit_distance",
]

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))

Fill = Annotated[
    float,
    Meta(
        gt=0,
        le=1,
        description="The share of the image's smaller side that the target's bounding sphere fills where "
        'distance is "fit".',
    ),
]
Distance = Annotated[
    Literal["fit"] | Length | Annotated[list[Length], Meta(min_length=1, max_length=1000)] | Range,
    Meta(
        description='Distance from the target in metres: a number, a list to choose from, a range, or "fit".'
    ),
]
LowestElevation = Annotated[
    Elevation, Meta(description="Lowest elevation of the poses above the horizontal plane.")
]
HighestElevation = Annotated[
    Elevation, Meta(description="Highest elevation of the poses above the horizontal plane.")
]


class Pose(Struct, frozen=True, forbid_unknown_fields=True):
    """A pose of a list: a matrix, or from where to where."""

    camera_to_world: (
        Annotated[
            MatrixRows,
            Meta(
                description="The camera's pose as a rigid 4 x 4 matrix, row by row; the camera "
                "looks along its -z axis, with y up."
            ),
        ]
        | None
    ) = None
    eye: Annotated[Point, Meta(description="Position of the camera.")] | None = None
    target: Annotated[Point, Meta(description="Point that the camera looks at.")] | None = None

    def __post_init__(self) -> None:
        has_points = self.eye is not None and self.target is not None
        if has_points == (self.camera_to_world is not None) or (self.eye is None) != (self.target is None):
            raise ValueError("give either camera_to_world, or eye and target")
        if has_points and self.eye == self.target:
            raise ValueError("eye and target are the same point")
        if self.camera_to_world is not None:
            try:
                find_rigid(self.camera_to_world)
            except RequestError as error:
                raise ValueError(str(error)) from None


class ListPoses(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="list"):
    """Poses that are given one by one."""

    poses: Annotated[list[Pose], Meta(min_length=1, max_length=100_000)]
    is_random = False

    @property
    def has_target(self) -> bool:
        """Whether the camera has a target."""
        return all(pose.target is not None for pose in self.poses)

    def count(self, scene: Scene | None) -> int:
        """Return the number of poses if no count is given."""
        return len(self.poses)

    def make(self, setting: Setting) -> Made:
        """Return the pose with a number."""
        pose = self.poses[setting.number]
        if pose.camera_to_world is not None:
            return Made(find_rigid(pose.camera_to_world))
        eye, target = np.array(pose.eye, float), np.array(pose.target, float)
        return Made(looking_at(eye, target, setting.up_axis), Target(target, 0.0))


class Around(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of all kinds whose cameras are placed around a target."""

    target: Annotated[
        PointTarget,
        Meta(description='What is looked at: "middle" of the scene\'s box, a point, or a table with a kind.'),
    ] = "middle"
    distance: Distance = "fit"
    fill: Fill = 0.8
    has_target = True

    def __post_init__(self) -> None:
        if self.distance != "fit":
            check_ends("distance", self.distance, 0, 1e9)

    def look_from(self, setting: Setting, azimuth_rad: float, elevation_rad: float, target: Target) -> Made:
        """Return the pose that looks at the target from a direction."""
        if self.distance == "fit":
            distance = fit_distance(setting.lens, target.radius, self.fill)
        else:
            distance = draw(self.distance, setting.rng)
        pose = looking_back(target.point, distance, azimuth_rad, elevation_rad, setting.up_axis)
        return Made(pose, target)

    @property
    def has_chance(self) -> bool:
        """Whether the target or the distance is drawn at random."""
        return is_random(self.target) or not isinstance(self.distance, str | int | float)

    def count(self, scene: Scene | None) -> int:
        """Return the number of poses if no count is given."""
        return 1


class OrbitPoses(Around, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="orbit"):
    """A ring around the target, in equal steps."""

    elevation_deg: Annotated[
        Elevation, Meta(description="Elevation of the ring above the horizontal plane.")
    ] = 30.0
    start_deg: Annotated[
        Angle,
        Meta(
            description="Azimuth of the first pose, counter-clockwise as seen from above; 0 is the world's "
            "front, which is +z or, with z up, -y."
        ),
    ] = 0.0
    turns: Annotated[
        float,
        Meta(
            ge=-1000,
            le=1000,
            description="Number of turns around the target; one more step would lead to the end of "
            "the last turn.",
        ),
    ] = 1.0

    @property
    def is_random(self) -> bool:
        """Whether a part of the pose is drawn at random."""
        return self.has_chance

    def make(self, setting: Setting) -> Made:
        """Return the pose with a number."""
        angle_deg = self.start_deg + 360 * self.turns * setting.number / setting.count
        target = find_target(self.target, setting)
        return self.look_from(setting, math.radians(angle_deg), math.radians(self.elevation_deg), target)


class SpherePoses(Around, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sphere"):
    """All around the target, or between two elevations; each part of that as often as its area is large."""

    spread: Annotated[
        Literal["random", "even"],
        Meta(
            description="random: each pose is drawn independently; even: the poses form a Fibonacci lattice."
        ),
    ] = "random"
    min_elevation_deg: LowestElevation = -90.0
    max_elevation_deg: HighestElevation = 90.0

    def __post_init__(self) -> None:
        Around.__post_init__(self)
        if self.min_elevation_deg > self.max_elevation_deg:
            raise ValueError("min_elevation_deg must not be greater than max_elevation_deg")

    @property
    def is_random(self) -> bool:
        """Whether a part of the pose is drawn at random."""
        return self.spread == "random" or self.has_chance

    def make(self, setting: Setting) -> Made:
        """Return the pose with a number."""
        target = find_target(self.target, setting)
        if self.spread == "even":
            share, azimuth = (setting.number + 0.5) / setting.count, setting.number * _GOLDEN_ANGLE
        else:
            share, azimuth = setting.rng.random(), math.tau * setting.rng.random()
        low, high = (
            math.sin(math.radians(angle)) for angle in (self.min_elevation_deg, self.max_elevation_deg)
        )
        return self.look_from(setting, azimuth, math.asin(low + share * (high - low)), target)


class HemispherePoses(
    SpherePoses, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hemisphere"
):
    """As a sphere's, but only from above."""

    min_elevation_deg: LowestElevation = 0.0


class BoxPoses(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="box"):
    """The camera stands anywhere in a box."""

    min: Annotated[Point, Meta(description="As the scene's box without.")] | None = None
    max: Annotated[Point, Meta(description="As the scene's box without.")] | None = None
    target: Annotated[
        PointTarget | DirectionTarget,
        Meta(description='What is looked at: "middle" of the scene\'s box, a point, or a table with a kind.'),
    ] = "middle"
    is_random = True

    @property
    def has_target(self) -> bool:
        """Whether the camera has a target."""
        return not isinstance(self.target, DirectionTarget)

    def __post_init__(self) -> None:
        if (self.min is None) != (self.max is None):
            raise ValueError("give both min and max, or neither")
        if self.min is not None and self.max is not None:
            check_box(self.min, self.max)

    def count(self, scene: Scene | None) -> int:
        """Return the number of poses if no count is given."""
        return 1

    def make(self, setting: Setting) -> Made:
        """Draw the pose with a number."""
        if self.min is None or self.max is None:
            extent = bounds(setting.scene)
            eye = draw_in_box(extent.low, extent.high, setting.rng)
        else:
            eye = draw_in_box(self.min, self.max, setting.rng)
        if isinstance(self.target, DirectionTarget):
            azimuth, elevation = self.target.find(setting)
            forward = direction(azimuth, elevation, setting.up_axis)
            return Made(looking_along(eye, forward, setting.up_axis))
        target = find_target(self.target, setting)
        return Made(looking_at(eye, target.point, setting.up_axis), target)


class DocumentPoses(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="document"):
    """The cameras that the file holds: one of them, or without camera, all in their order."""

    camera: (
        Annotated[int, Meta(ge=0, lt=2**31, description="Index of one of the document's cameras.")]
        | Annotated[
            str, Meta(min_length=1, max_length=1000, description="Name of a node that holds a camera.")
        ]
        | None
    ) = None
    is_random = False
    has_target = False

    def count(self, scene: Scene | None) -> int | None:
        """Return the number of poses if no count is given; None = it depends on the scene."""
        if self.camera is not None:
            return 1
        return None if scene is None else len(scene.cameras)

    def make(self, setting: Setting) -> Made:
        """Return the pose with a number."""
        return Made(self.find(setting.scene, setting.number).camera_to_world)

    def find(self, scene: Scene, number: int) -> SceneCamera:
        """Return the document's camera.

        Raises
        ------
        RequestError, SceneError
            It has none of that name or number.
        """
        if self.camera is not None:
            return choose_camera(self.camera, scene)
        if number >= len(scene.cameras):
            raise SceneError(f"the document has {len(scene.cameras)} cameras, too few for pose {number}")
        return scene.cameras[number]


def fit_distance(lens: Lens, radius: float, fill: float) -> float:
    """Return the distance at which a sphere on the optical axis fills a part of a picture.

    Parameters
    ----------
    lens : Lens
    radius : float
        Of the sphere, metres.
    fill : float
        The part of the way from the principal point to the picture's nearest edge that its outline takes.

    Raises
    ------
    RequestError
        The sphere has no size, or the principal point is not in the picture.
    """
    slopes = (
        lens.center_x / lens.focal_x,
        (lens.width - lens.center_x) / lens.focal_x,
        lens.center_y / lens.focal_y,
        (lens.height - lens.center_y) / lens.focal_y,
    )
    if not radius > 0:
        raise RequestError(
            'distance: the target has no extent, so "fit" cannot choose a distance; give a number'
        )
    if not min(slopes) > 0:
        raise RequestError(
            'distance: the principal point is outside the image, so "fit" cannot choose a distance; '
            "give a number"
        )
    # Seen from d, a sphere's outline is a cone of the half angle asin(r / d).
    return radius / math.sin(math.atan(fill * min(slopes)))
