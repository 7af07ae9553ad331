"""The requests of the JSON API: decodes and checks JSON, and makes a `Frame`.

The types check their own values, and the OpenAPI document is generated from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ..environments import ENVIRONMENTS, NO_ENVIRONMENT
from ..errors import RequestError, SceneError, TooLargeError
from ..frame import ALPHA_THRESHOLD, Frame, Lens, Look, Moment, View, When
from ..gltf import Asset, find_camera
from ..mismatch import what_and_where, what_is_no_json
from ..passes import find_pass
from ..scene import Scene, SceneCamera, nearest_rigid
from ..settings import QUALITIES, Quality, UpAxis
from ..suggestions import with_suggestion

__all__ = [
    "MOST_POSES",
    "MOST_VIEWS",
    "FrameRequest",
    "LookRequest",
    "MatrixRows",
    "MomentRequest",
    "ViewRequest",
    "choose_camera",
    "find_lens",
    "find_rigid",
    "read_frame_request",
]

MOST_VIEWS = 64
MOST_POSES = 25_000

_LARGEST = 1e9
"""The largest accepted length (m) or position (px), as in Drake's form."""

_NEAR_M, _FAR_M = 0.01, 1000.0
_MOST_DEEP = 1e6  # the largest far / near; beyond that, no far plane is needed
_UNRIGID = 1e-4
"""The accepted deviation of a rotation matrix: the rounding error of many products in float32."""

Number = Annotated[float, Meta(gt=-_LARGEST, lt=_LARGEST)]
Length = Annotated[float, Meta(gt=0, lt=_LARGEST)]
Side = Annotated[int, Meta(ge=1, le=65536)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
MatrixRows = Annotated[
    list[Number],
    Meta(min_length=16, max_length=16, description="A 4 x 4 matrix, row by row, for column vectors."),
]


if TYPE_CHECKING:
    Environment = str
else:  # only names of HDRIs that Blender ships; a path in the server's settings is never open to clients
    Environment = StrEnum("Environment", {name.upper(): name for name in (*ENVIRONMENTS, NO_ENVIRONMENT)})


class LookRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How a scene is lit and displayed. The server's options give the values of omitted fields."""

    environment: Environment | None = None
    rotation_deg: (
        Annotated[
            float, Meta(ge=-3600, le=3600, description="Rotation of the environment about the vertical axis.")
        ]
        | None
    ) = None
    strength: (
        Annotated[float, Meta(ge=0, le=1000, description="Factor for the environment's light.")] | None
    ) = None
    exposure: Annotated[float, Meta(ge=-10, le=10, description="Exposure in stops.")] | None = None
    view_transform: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9 ._-]{1,40}$(?!\n)",
                description="One of Blender's, such as AgX or Standard.",
            ),
        ]
        | None
    ) = None
    quality: (
        Annotated[
            Quality,
            Meta(description="; ".join(f"{name} = {what}" for name, what in QUALITIES.items())),
        ]
        | None
    ) = None
    samples: Annotated[int, Meta(ge=1, le=65536, description="Most samples per pixel.")] | None = None
    transparent: bool | None = None
    up_axis: UpAxis | None = None


class ViewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera, either with a pose of its own, or one of the document's cameras."""

    width: Annotated[Side, Meta(description="Width in pixels.")]
    height: Annotated[Side, Meta(description="Height in pixels.")]
    name: (
        Annotated[Name, Meta(description="The folder of its pictures; view0, view1, ... by default.")] | None
    ) = None
    focal_x: Annotated[Length, Meta(description="Focal length in pixels; focal_y by default.")] | None = None
    focal_y: Annotated[Length, Meta(description="Focal length in pixels; focal_x by default.")] | None = None
    fov_y_deg: (
        Annotated[float, Meta(gt=0, lt=180, description="Vertical field of view, instead of focal lengths.")]
        | None
    ) = None
    center_x: (
        Annotated[
            Number, Meta(description="Principal point, pixels from the left edge; default: the middle.")
        ]
        | None
    ) = None
    center_y: (
        Annotated[
            Number, Meta(description="Principal point, pixels from the upper edge; default: the middle.")
        ]
        | None
    ) = None
    near: Annotated[Length, Meta(description="Metres; by default the camera's, or 0.01.")] | None = None
    far: (
        Annotated[
            Length,
            Meta(
                description="Metres; by default the camera's, or the greater of 1000 and 1e6 near, but at "
                "most halfway from near to 1e9."
            ),
        ]
        | None
    ) = None
    camera_to_world: (
        Annotated[
            MatrixRows, Meta(description="A rigid matrix, row by row; the camera looks along -z, with y up.")
        ]
        | None
    ) = None
    camera: (
        Annotated[int, Meta(ge=0, lt=2**31, description="Index of one of the document's cameras.")]
        | Annotated[
            str, Meta(min_length=1, max_length=1000, description="Name of a node that holds a camera.")
        ]
        | None
    ) = None
    amodal_margin: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How far mask_amodal reaches beyond each edge of the image, in widths and heights of "
            "it; with 1, masks are three times as wide and high, as BOP counts pixels.",
        ),
    ] = 0.0


class MomentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The poses of nodes and cameras at another moment. Omitted values are those of the frame."""

    poses: Annotated[
        dict[str, MatrixRows],
        Meta(max_length=MOST_POSES, description="World matrices of nodes at that moment, by name."),
    ] = {}
    time_s: (
        Annotated[float, Meta(ge=0, le=1e6, description="Time of animations; by default as in the frame.")]
        | None
    ) = None
    cameras: Annotated[
        dict[str, MatrixRows],
        Meta(
            max_length=MOST_VIEWS,
            description="camera_to_world of views at that moment, by the views' names. A view that is not "
            "named stays where it is, or follows the document's camera that it looks through.",
        ),
    ] = {}


class FrameRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a frame: a scene, its views, the passes, and the look."""

    views: Annotated[list[ViewRequest], Meta(min_length=1, max_length=MOST_VIEWS)]
    passes: Annotated[list[str], Meta(min_length=1, max_length=64)]
    scene: (
        Annotated[
            str,
            Meta(
                pattern=r"^[0-9A-Fa-f]{64}$(?!\n)",
                description="SHA-256 of the scene's bytes; optional if the scene is in the same form.",
            ),
        ]
        | None
    ) = None
    look: LookRequest = LookRequest()
    poses: Annotated[
        dict[str, MatrixRows],
        Meta(
            max_length=MOST_POSES,
            description="World matrices that replace those of nodes, by the nodes' names; what is below a "
            "node moves along.",
        ),
    ] = {}
    time_s: (
        Annotated[float, Meta(ge=0, le=1e6, description="Time of animations, in seconds; 0 by default.")]
        | None
    ) = None
    before: Annotated[MomentRequest, Meta(description="For flow_backward and visible_backward.")] | None = (
        None
    )
    after: Annotated[MomentRequest, Meta(description="For flow_forward and visible_forward.")] | None = None
    alpha_threshold: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=1,
                description="The least alpha with which surfaces of the mode BLEND are solid in the exact "
                "passes; those of the mode MASK are cut out as in colour. null = all are solid.",
            ),
        ]
        | None
    ) = ALPHA_THRESHOLD

    def check(self, max_pixels: int) -> None:
        """Check everything that can be checked without the scene.

        Raises
        ------
        RequestError
            A pass or view does not exist, or a name or a pass occurs twice.
        TooLargeError
            All views together have more pixels than the server allows.
        """
        for name in self.passes:
            find_pass(name)
        _check_different("passes", self.passes)
        _check_different("views", [name.casefold() for name in self.view_names])
        pixels = sum(view.width * view.height for view in self.views)
        if pixels > max_pixels:
            raise TooLargeError(
                f"views: width x height of all together are {pixels} pixels; this server renders at most "
                f"{max_pixels} (option --max-pixels)"
            )
        for when, moment in self.moments.items():
            for name in moment.cameras.keys() - set(self.view_names):
                raise RequestError(f"$.{when}.cameras: no view has the name {name[:64]!r}")

    @property
    def moments(self) -> dict[When, MomentRequest]:
        """The other moments that the request contains."""
        asked: dict[When, MomentRequest | None] = {"before": self.before, "after": self.after}
        return {when: moment for when, moment in asked.items() if moment is not None}

    def poses_at(self, when: When | None = None) -> dict[str, NDArray[np.float64]]:
        """Return the poses of the frame, or of another moment, (4, 4) float64 each."""
        other = self.moments[when].poses if when else {}
        return {name: _matrix(rows) for name, rows in {**self.poses, **other}.items()}

    def time_at(self, when: When | None = None) -> float:
        """Return the time of the frame, or of another moment, in seconds."""
        return _first(self.moments[when].time_s if when else None, self.time_s, 0.0)

    @property
    def view_names(self) -> list[str]:
        """The names of the views, with default names for unnamed views."""
        return [view.name or f"view{index}" for index, view in enumerate(self.views)]

    def frame(self, asset: Asset, as_it_is: Scene, max_pixels: int) -> Frame:
        """Return the frame that is requested of a document.

        Parameters
        ----------
        asset : Asset
        as_it_is : Scene
            The scene that the document shows without poses and at time 0.
        max_pixels : int
            The largest number of pixels (width * height) that the server renders.

        Raises
        ------
        RequestError
            A pose is invalid, or a view lacks a field or has fields that contradict each other.
        SceneError
            A requested camera does not exist, or the scene is invalid in these poses.
        """
        poses, time_s = self.poses_at(), self.time_at()
        scene = asset.scene(poses, time_s) if poses or time_s else as_it_is
        views = self._views(scene, max_pixels)
        moments = {when: self._moment(when, asset, scene, views) for when in self.moments}
        look = Look(**msgspec.to_builtins(self.look))
        return Frame(
            scene, tuple(views), tuple(self.passes), look, alpha_threshold=self.alpha_threshold, **moments
        )

    def _views(self, scene: Scene, max_pixels: int) -> list[View]:
        views = []
        for index, (view, name) in enumerate(zip(self.views, self.view_names, strict=True)):
            try:
                views.append(_view(view, name, scene, max_pixels))
            except SceneError:
                raise
            except RequestError as error:
                raise type(error)(f"$.views[{index}]: {error}") from None
        return views

    def _moment(self, when: When, asset: Asset, scene: Scene, views: Sequence[View]) -> Moment:
        asked = self.moments[when]
        if asked.poses or asked.time_s is not None:
            with _naming_moment(when):
                scene = asset.scene(self.poses_at(when), self.time_at(when))
        cameras = []
        for view, now in zip(self.views, views, strict=True):
            if now.name in asked.cameras:
                cameras.append(find_rigid(asked.cameras[now.name], f"$.{when}.cameras[{now.name!r}]"))
            elif view.camera is not None:
                cameras.append(choose_camera(view.camera, scene).camera_to_world)
            else:
                cameras.append(now.camera_to_world)
        return Moment(scene, tuple(cameras))


def read_frame_request(data: bytes) -> FrameRequest:
    """Decode and check a request.

    Raises
    ------
    RequestError
        The JSON is invalid, or does not match the types. The message says what is wrong and where.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError as error:
        what, where = what_and_where(error)
        helped = with_suggestion(_plain(what)[:400], where, msgspec.json.schema(FrameRequest))
        raise RequestError(f"{where[:200]}: {helped}") from None
    except RecursionError:
        raise RequestError("frame: is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"frame: is not JSON: {what_is_no_json(error, data)}") from None


@contextmanager
def _naming_moment(when: When) -> Iterator[None]:
    """Add the moment to the error message of an invalid pose."""
    try:
        yield
    except SceneError:
        raise
    except RequestError as error:
        raise type(error)(f"$.{when}.{error}") from None


def _plain(message: str) -> str:
    """Remove the last part of the pattern, which only Python needs, from msgspec's message."""
    return message.replace(r"(?!\n)", "").replace(r"(?!\\n)", "")


def _view(view: ViewRequest, name: str, scene: Scene, max_pixels: int) -> View:
    if (view.camera is None) == (view.camera_to_world is None):
        raise RequestError("give either camera_to_world or camera")
    camera = None if view.camera is None else choose_camera(view.camera, scene)
    lens = find_lens(view, camera)
    lens.check(max_pixels)
    pose = find_rigid(view.camera_to_world or ()) if camera is None else camera.camera_to_world
    return View(lens, pose, name, view.amodal_margin)


def choose_camera(wanted: int | str, scene: Scene) -> SceneCamera:
    """Return one of the document's cameras, selected by its index or by the name of its node.

    Raises
    ------
    RequestError
        No camera has this name, or several have.
    SceneError
        No camera has this index.
    """
    if isinstance(wanted, int):
        return find_camera(scene, wanted)
    found = [camera for camera in scene.cameras if camera.name == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(camera.name[:40]) for camera in scene.cameras[:10] if camera.name) or "none"
    raise RequestError(
        f"camera: {len(found) or 'no'} cameras of the scene have the name {wanted[:40]!r}; those with names "
        f"are {names}"
    )


def find_lens(view: ViewRequest, camera: SceneCamera | None) -> Lens:
    """Return the lens of a view. The document's camera, if there is one, gives the omitted values.

    Raises
    ------
    RequestError
        The given values contradict each other, or a resulting number is out of bounds.
    """
    focal_x, focal_y = _focal_lengths(view, camera and camera.y_fov_rad)
    near = _first(view.near, camera and camera.near, _NEAR_M)
    default_far = min(max(_FAR_M, _MOST_DEEP * near), (near + _LARGEST) / 2)
    far = _first(view.far, camera and camera.far, default_far)
    lens = Lens(
        width=view.width,
        height=view.height,
        focal_x=focal_x,
        focal_y=focal_y,
        center_x=_first(view.center_x, view.width / 2),
        center_y=_first(view.center_y, view.height / 2),
        near=near,
        far=far,
    )
    for name in ("focal_x", "focal_y", "near", "far"):
        if not 0 < getattr(lens, name) < _LARGEST:
            raise RequestError(f"{name}: {getattr(lens, name):g} is not between 0 and {_LARGEST:g}")
    return lens


def _focal_lengths(view: ViewRequest, camera_fov_rad: float | None) -> tuple[float, float]:
    given = [focal for focal in (view.focal_x, view.focal_y) if focal is not None]
    if given and view.fov_y_deg is not None:
        raise RequestError("give either focal lengths or fov_y_deg")
    if given:
        return given[0], given[-1]
    fov_rad = camera_fov_rad if view.fov_y_deg is None else math.radians(view.fov_y_deg)
    if fov_rad is None:
        raise RequestError("give focal_x and focal_y, or fov_y_deg; there is no camera's to take")
    slope = math.tan(fov_rad / 2) if fov_rad < math.pi else math.inf
    focal = view.height / (2 * slope) if slope > 0 else math.inf  # the slope may underflow to 0
    return focal, focal


def find_rigid(rows: Sequence[float], where: str = "camera_to_world") -> NDArray[np.float64]:
    """Return the rigid matrix nearest to a matrix that is rigid up to rounding, (4, 4).

    Parameters
    ----------
    rows : 16 floats
        The matrix row by row.
    where : str
        The name of the field, for the error message.

    Raises
    ------
    RequestError
        The matrix is not rigid.
    """
    matrix = _matrix(rows)
    rigid = nearest_rigid(matrix)
    if rigid is None or np.abs(rigid - matrix)[:3, :3].max() > _UNRIGID:
        raise RequestError(f"{where}: must be a rotation and a translation, without scale or mirror")
    if np.abs(matrix[3] - (0, 0, 0, 1)).max() > _UNRIGID:
        raise RequestError(f"{where}: the last row must be 0 0 0 1; the matrix is written row by row")
    return rigid


def _matrix(rows: Sequence[float]) -> NDArray[np.float64]:
    return np.array(rows, float).reshape(4, 4)


def _first(*values: float | None) -> float:
    return next(float(value) for value in values if value is not None)


def _check_different(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{where}: {name!r} is there {names.count(name)} times")


_DECODER = msgspec.json.Decoder(FrameRequest)
"""Create the decoder now: msgspec inspects classes at their first use, and crashes if two threads do so at
once.
"""
