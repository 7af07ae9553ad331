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
    Meta(description="Rotation about the camera's x (right), then y (up), then z (backward) axis."),
]
Poses = ListPoses | OrbitPoses | SpherePoses | HemispherePoses | BoxPoses | PathPoses | DocumentPoses


class Offset(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera that is fastened to another one."""

    of: Annotated[
        str,
        Meta(
            description="Name of the other camera; each pose follows that camera's pose of the same number."
        ),
    ]
    translation: Annotated[
        Point, Meta(description="Translation in metres along the other camera's axes: right, up, backward.")
    ] = (0.0, 0.0, 0.0)
    rotation_deg: Angles = (0.0, 0.0, 0.0)


class Jitter(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a pose is moved and turned by chance, in the camera's own axes."""

    translation: Annotated[
        float, Meta(ge=0, lt=1e9, description="Largest shift along each axis, in metres.")
    ] = 0.0
    rotation_deg: Annotated[float, Meta(ge=0, le=180, description="Largest rotation about each axis.")] = 0.0


class Checks(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pose must fulfil; one that is drawn and does not is drawn again."""

    clearance: (
        Annotated[
            float,
            Meta(
                ge=0,
                lt=1e9,
                description="Least distance in metres between the camera and any surface. Default: "
                "0.02 of the scene's radius.",
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
                description="Least distance in metres between the camera and anything in view. "
                "Default: twice the clearance.",
            ),
        ]
        | None
    ) = None
    least_seen: Annotated[
        float, Meta(ge=0, le=1, description="Least share of the image that must show something.")
    ] = 0.0
    see_target: Annotated[bool, Meta(description="Whether the target must be visible from the camera.")] = (
        False
    )
    most_back_faces: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Largest share of back faces among the surfaces around the camera. Inside a closed "
            "object, all faces are back faces; 1 = the camera may be inside an object.",
        ),
    ] = 0.4
    tries: Annotated[
        int, Meta(ge=1, le=10_000, description="Number of poses to try before the item is quarantined.")
    ] = 200


class Camera(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera of a dataset: its lens, and its poses for each subject."""

    name: Annotated[
        CameraName,
        Meta(
            description="Name of the camera, of at most 56 letters, digits, _ and -. Its views are named "
            "after it, followed by the pose's number."
        ),
    ]
    width: Annotated[Side, Meta(description="In pixels.")]
    height: Annotated[Side, Meta(description="In pixels.")]
    poses: Annotated[Poses, Meta(description="How the poses are made: a table with a kind.")] | None = None
    offset: (
        Annotated[Offset, Meta(description="Attaches the camera to another one, instead of poses.")] | None
    ) = None
    count: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=_MOST_POSES,
                description="Number of poses for each subject. Default: all poses of a list or of a "
                "document's cameras, otherwise 1.",
            ),
        ]
        | None
    ) = None
    focal_x: Annotated[Length, Meta(description="Focal length in pixels. Default: focal_y.")] | None = None
    focal_y: Annotated[Length, Meta(description="Focal length in pixels. Default: focal_x.")] | None = None
    fov_y_deg: (
        Annotated[
            FieldOfView | Annotated[list[FieldOfView], Meta(min_length=1, max_length=1000)] | Range,
            Meta(
                description="Vertical field of view in degrees, instead of focal lengths: a number, "
                "a list to choose from, or a range, from which each pose draws its own."
            ),
        ]
        | None
    ) = None
    center_x: (
        Annotated[
            Number, Meta(description="Principal point, in pixels from the left edge. Default: the centre.")
        ]
        | None
    ) = None
    center_y: (
        Annotated[
            Number, Meta(description="Principal point, in pixels from the upper edge. Default: the centre.")
        ]
        | None
    ) = None
    near: (
        Annotated[
            Length,
            Meta(
                description="Distance of the near plane in metres. Default: that of the file's camera; "
                "otherwise 0.01, or 0.01 of the scene's radius if that is less."
            ),
        ]
        | None
    ) = None
    far: (
        Annotated[
            Length,
            Meta(
                description="Distance of the far plane in metres. Default: that of the file's camera, or "
                "the greater of 1000 and a million times `near`; beyond the whole scene if that is farther."
            ),
        ]
        | None
    ) = None
    jitter: Jitter | None = None
    checks: (
        Annotated[
            Checks,
            Meta(
                description="Checks that each pose must pass. By default, randomly drawn poses are "
                "checked with the default values."
            ),
        ]
        | None
    ) = None
    amodal_margin: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How far mask_amodal extends beyond each edge of the image, as a share of its width "
            "and height.",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        placed = self.placed_by
        if isinstance(placed, Offset):
            for name in ("count", "jitter", "checks"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name}: cannot be set for a camera that is attached to {placed.of!r}; set it "
                        "for that camera"
                    )
        has_focal = self.focal_x is not None or self.focal_y is not None
        if has_focal and self.fov_y_deg is not None:
            raise ValueError("give either focal_x and focal_y, or fov_y_deg, but not both")
        brings_lens = self.offset is not None or isinstance(self.poses, DocumentPoses)
        if not has_focal and self.fov_y_deg is None and not brings_lens:
            raise ValueError("give focal_x and focal_y, or fov_y_deg")
        if self.fov_y_deg is not None:
            check_ends("fov_y_deg", self.fov_y_deg, 0, 180)
        if self.poses and self.checks and self.checks.see_target and not self.poses.has_target:
            raise ValueError("checks: see_target is true, but poses of this kind have no target")
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise ValueError(f"near, far: near ({self.near:g}) must be less than far ({self.far:g})")
        if isinstance(self.poses, ListPoses) and self.count and self.count > len(self.poses.poses):
            raise ValueError(
                f"count: must be at most {len(self.poses.poses)}, the number of poses in the list, not "
                f"{self.count}"
            )

    @property
    def placed_by(self) -> Poses | Offset:
        """Its poses, or the camera to which it is attached."""
        placed = self.offset if self.poses is None else self.poses
        if placed is None or (self.offset is not None and self.poses is not None):
            raise ValueError("give either poses or offset, and not both")
        return placed

    @property
    def has_own_lens(self) -> bool:
        """Whether the table sets more of the lens than the picture's size."""
        names = ("focal_x", "focal_y", "fov_y_deg", "center_x", "center_y", "near", "far")
        return any(getattr(self, name) is not None for name in names)


def first_of_rig(camera: Camera, cameras: Sequence[Camera]) -> tuple[Camera, Poses]:
    """Return the camera at the root of a rig, which is the camera itself without a rig, and its poses.

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
    """Check that the tables fit together.

    Raises
    ------
    DatasetError
        Names are not unique, or an offset leads nowhere, or in a circle; the message says where.
    """
    named: dict[str, Camera] = {}
    for index, camera in enumerate(cameras):
        if camera.name in named:
            raise DatasetError(
                f"{where}[{index}].name: {camera.name!r} is the name of another camera; names must be unique"
            )
        named[camera.name] = camera
    _check_view_names(cameras, where)
    for index, camera in enumerate(cameras):
        _check_offset(camera, named, f"{where}[{index}]")


def _check_view_names(cameras: Sequence[Camera], where: str) -> None:
    """Check that views never share a folder, for any numbers of poses and on any file system."""
    names: dict[str, str] = {}
    for index, camera in enumerate(cameras):
        if (other := names.setdefault(camera.name.casefold(), camera.name)) != camera.name:
            raise DatasetError(
                f"{where}[{index}].name: {camera.name!r} and {other!r} differ only in case; choose "
                "another name"
            )
    for index, camera in enumerate(cameras):
        stem = re.sub(r"_[0-9]{4,}$", "", camera.name.casefold())
        if stem != camera.name.casefold() and stem in names:
            raise DatasetError(
                f"{where}[{index}].name: {camera.name!r} could also be the name of a view of the camera "
                f"{names[stem]!r}; choose another name"
            )


def _check_offset(camera: Camera, named: Mapping[str, Camera], where: str) -> None:
    way = [camera.name]
    while camera.offset is not None:
        other = named.get(camera.offset.of)
        if other is None:
            raise DatasetError(
                f"{where}.offset.of: there is no camera {camera.offset.of[:64]!r}; the cameras are "
                f"{', '.join(named)}"
            )
        if other.name in way:
            circle = " -> ".join([*way, other.name])
            raise DatasetError(
                f"{where}.offset.of: the cameras are attached to each other in a circle: {circle}"
            )
        if not camera.has_own_lens and (camera.width, camera.height) != (other.width, other.height):
            raise DatasetError(
                f"{where}: {camera.name!r} uses the lens of {other.name!r}, but its images have another "
                "size; give it focal_x and focal_y, or fov_y_deg"
            )
        way.append(other.name)
        camera = other
