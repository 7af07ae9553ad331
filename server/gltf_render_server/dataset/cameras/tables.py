"""The tables of cameras in the specification of a dataset; they check what they describe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from ...errors import DatasetError
from ...http.api import Length, Number, Side
from ..choices import Range
from .kinds import BoxPoses, DocumentPoses, HemispherePoses, ListPoses, OrbitPoses, SpherePoses
from .paths import PathPoses
from .setting import Angle, Point, check_ends

__all__ = ["Camera", "Checks", "Jitter", "Offset", "Poses", "check_cameras"]

_MOST_POSES = 100_000

CameraName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,56}$(?!\n)")]
"""With the number of a pose it is the name of a view, which has at most 64 letters."""

FieldOfView = Annotated[float, Meta(gt=0, lt=180)]
Angles = Annotated[
    tuple[Angle, Angle, Angle],
    Meta(description="About the camera's x (right), then y (up), z (backward)."),
]
Poses = ListPoses | OrbitPoses | SpherePoses | HemispherePoses | BoxPoses | PathPoses | DocumentPoses


class Offset(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera that is fastened to another one."""

    of: Annotated[str, Meta(description="Name of the other camera; its pose of the same number is meant.")]
    translation: Annotated[
        Point, Meta(description="Metres along the other camera's axes: right, up, backward.")
    ] = (0.0, 0.0, 0.0)
    rotation_deg: Angles = (0.0, 0.0, 0.0)


class Jitter(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a pose is moved and turned by chance, in the camera's own axes."""

    translation: Annotated[float, Meta(ge=0, lt=1e9, description="At most, metres, along each axis.")] = 0.0
    rotation_deg: Annotated[float, Meta(ge=0, le=180, description="At most, about each axis.")] = 0.0


class Checks(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pose must fulfil; one that is drawn and does not is drawn again."""

    clearance: (
        Annotated[
            float,
            Meta(
                ge=0,
                lt=1e9,
                description="How far any surface must be, metres; 0.02 of the scene's radius without.",
            ),
        ]
        | None
    ) = None
    view_clearance: (
        Annotated[
            float,
            Meta(
                ge=0,
                lt=1e9,
                description="How far all that is seen must be, metres; twice the clearance without.",
            ),
        ]
        | None
    ) = None
    least_seen: Annotated[
        float, Meta(ge=0, le=1, description="The part of the picture that must show something.")
    ] = 0.0
    see_target: Annotated[bool, Meta(description="Whether nothing may hide the target.")] = False
    most_back_faces: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The part of the surfaces around the camera that may be back faces: inside a closed "
            "object all are; 1 = it may stand inside.",
        ),
    ] = 0.4
    tries: Annotated[
        int, Meta(ge=1, le=10_000, description="How often a pose is drawn before its item is given up.")
    ] = 200


class Camera(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera of a dataset: its lens, and its poses for each subject."""

    name: Annotated[CameraName, Meta(description="Of its views, with the number of the pose.")]
    width: Annotated[Side, Meta(description="In pixels.")]
    height: Annotated[Side, Meta(description="In pixels.")]
    poses: Annotated[Poses, Meta(description="A table with a kind.")] | None = None
    offset: (
        Annotated[Offset, Meta(description="In the place of poses: it is fastened to another camera.")] | None
    ) = None
    count: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=_MOST_POSES,
                description="Poses for each subject; without, all of a list's or a document's, else 1.",
            ),
        ]
        | None
    ) = None
    focal_x: Annotated[Length, Meta(description="In pixels; as focal_y without.")] | None = None
    focal_y: Annotated[Length, Meta(description="In pixels; as focal_x without.")] | None = None
    fov_y_deg: (
        Annotated[
            FieldOfView | Annotated[list[FieldOfView], Meta(min_length=1, max_length=1000)] | Range,
            Meta(
                description="Vertical field of view, in the place of focal lengths: a number, a list to "
                "choose from, or a range, of which each pose draws its own."
            ),
        ]
        | None
    ) = None
    center_x: (
        Annotated[Number, Meta(description="Principal point, pixels from the left edge; the middle without.")]
        | None
    ) = None
    center_y: (
        Annotated[
            Number, Meta(description="Principal point, pixels from the upper edge; the middle without.")
        ]
        | None
    ) = None
    near: (
        Annotated[
            Length, Meta(description="Metres; 0.01 without, or 0.01 of the scene's radius if that is less.")
        ]
        | None
    ) = None
    far: (
        Annotated[Length, Meta(description="Metres; 1000 without, or what all of the scene is nearer than.")]
        | None
    ) = None
    jitter: Jitter | None = None
    checks: (
        Annotated[Checks, Meta(description="Without, poses that are drawn are checked as its defaults say.")]
        | None
    ) = None
    amodal_margin: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How far mask_amodal reaches beyond each edge of the image, in widths and heights of "
            "it.",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        placed = self.placed_by
        if isinstance(placed, Offset):
            for name in ("count", "jitter", "checks"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}: the camera has the poses of {placed.of!r}; give it there")
        has_focal = self.focal_x is not None or self.focal_y is not None
        if has_focal and self.fov_y_deg is not None:
            raise ValueError("give either focal lengths or fov_y_deg")
        brings_lens = self.offset is not None or isinstance(self.poses, DocumentPoses)
        if not has_focal and self.fov_y_deg is None and not brings_lens:
            raise ValueError("give focal_x and focal_y, or fov_y_deg")
        if self.fov_y_deg is not None:
            check_ends("fov_y_deg", self.fov_y_deg, 0, 180)
        if self.poses and self.checks and self.checks.see_target and not self.poses.has_target:
            raise ValueError("checks: see_target is true, but the poses have no target")
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise ValueError(f"near, far: {self.near:g} must be less than {self.far:g}")
        if isinstance(self.poses, ListPoses) and self.count and self.count > len(self.poses.poses):
            raise ValueError(
                f"count: {self.count} are more than the {len(self.poses.poses)} poses of the list"
            )

    @property
    def placed_by(self) -> Poses | Offset:
        """Its poses, or the camera that it is fastened to."""
        placed = self.offset if self.poses is None else self.poses
        if placed is None or (self.offset is not None and self.poses is not None):
            raise ValueError("give either poses or offset")
        return placed

    @property
    def has_own_lens(self) -> bool:
        """Whether the table says anything of the lens but the picture's size."""
        names = ("focal_x", "focal_y", "fov_y_deg", "center_x", "center_y", "near", "far")
        return any(getattr(self, name) is not None for name in names)


def first_of_rig(camera: Camera, cameras: Sequence[Camera]) -> tuple[Camera, Poses]:
    """Return the camera that a camera is fastened to, over others or not at all, and its poses.

    Parameters
    ----------
    camera : Camera
    cameras : sequence of Camera
        It and all others; see `check_cameras`.
    """
    named = {each.name: each for each in cameras}
    while isinstance(placed := camera.placed_by, Offset):
        camera = named[placed.of]
    return camera, placed


def check_cameras(cameras: Sequence[Camera], where: str = "$.cameras") -> None:
    """Check what one table does not tell.

    Raises
    ------
    DatasetError
        Names are not unique, or an offset leads nowhere, or in a circle; the message says where.
    """
    named: dict[str, Camera] = {}
    for index, camera in enumerate(cameras):
        if camera.name in named:
            raise DatasetError(f"{where}[{index}].name: another camera has the name {camera.name!r}, too")
        named[camera.name] = camera
    _check_view_names(cameras, where)
    for index, camera in enumerate(cameras):
        _check_offset(camera, named, f"{where}[{index}]")


def _check_view_names(cameras: Sequence[Camera], where: str) -> None:
    """Check that no two views can share a folder, whatever the numbers of their poses and the file system."""
    names: dict[str, str] = {}
    for index, camera in enumerate(cameras):
        if (other := names.setdefault(camera.name.casefold(), camera.name)) != camera.name:
            raise DatasetError(f"{where}[{index}].name: {camera.name!r} and {other!r} differ in case only")
    for index, camera in enumerate(cameras):
        stem = re.sub(r"_[0-9]{4,}$", "", camera.name.casefold())
        if stem != camera.name.casefold() and stem in names:
            raise DatasetError(
                f"{where}[{index}].name: {camera.name!r} may be the name of a view of the camera "
                f"{names[stem]!r}; choose another one"
            )


def _check_offset(camera: Camera, named: Mapping[str, Camera], where: str) -> None:
    way = [camera.name]
    while camera.offset is not None:
        other = named.get(camera.offset.of)
        if other is None:
            raise DatasetError(
                f"{where}.offset.of: there is no camera {camera.offset.of[:64]!r}; there are "
                f"{', '.join(named)}"
            )
        if other.name in way:
            circle = " -> ".join([*way, other.name])
            raise DatasetError(f"{where}.offset.of: leads in a circle: {circle}")
        if not camera.has_own_lens and (camera.width, camera.height) != (other.width, other.height):
            raise DatasetError(
                f"{where}: {camera.name!r} has the lens of {other.name!r}, but pictures of another size; "
                "give it focal_x and focal_y, or fov_y_deg"
            )
        way.append(other.name)
        camera = other
