"""Cameras and a scene -> views. Each pose is a function of the seed, the words, the camera and its number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError, SceneError
from ...frame import Lens, View
from ...http.api import ViewRequest, find_lens
from ...scene import Scene, SceneCamera
from ...settings import UpAxis
from ..choices import draw
from ..randomness import generator
from .bounds import bounds
from .kinds import DocumentPoses
from .matrices import moved
from .rejection import find_fault
from .setting import Made, Setting
from .tables import Camera, Checks, Offset, Poses, first_of_rig

__all__ = ["pose_count", "views"]

_NEAR_M = 0.01
_NEAR = 0.01  # of the scene's radius
_BEYOND = 1.01
_MOST_PIXELS = 65536**2
"""Largest number that a lens may have; the renderer has a limit of its own."""

Word = str | int


def views(
    cameras: Sequence[Camera],
    scene: Scene,
    up_axis: UpAxis,
    numbers: Sequence[int] | None,
    seed: int,
    *words: Word,
) -> list[tuple[str, View]]:
    """Return the views of a scene from all cameras.

    Parameters
    ----------
    cameras : sequence of Camera
        That passed `check_cameras`.
    scene : Scene
        What poses depend on: its size, its objects, its cameras. For an animation that is seen from cameras
        which do not follow it, give the scene of one moment for all.
    up_axis : {"y", "z"}
        Which axis of the scene's world is up.
    numbers : sequence of int or None
        Of the poses; a camera that has fewer leaves out those that it has not. None = all of each camera.
    seed : int
        Of the dataset.
    *words : str or int
        That name the subject, such as its file. The same words and number give the same pose, whatever else
        is asked for.

    Returns
    -------
    list of (str, View)
        The camera's name and the view, in the order of the cameras, then of the numbers. A view has the name
        of its camera where this is the only one of it, else with the number, as in left_0012.

    Raises
    ------
    RequestError
        A pose cannot be made, or each that was drawn had to be rejected; the message says which.
    SceneError
        The scene lacks what a camera looks at, or the camera itself.
    DatasetError
        A library that casts rays is missing.
    """
    maker = _Maker({camera.name: camera for camera in cameras}, scene, up_axis, seed, words)
    made = []
    for camera in cameras:
        count = maker.count(camera)
        own = [*dict.fromkeys(number for number in _in_order(numbers, count) if 0 <= number < count)]
        for number in own:
            name = camera.name if len(own) == 1 else f"{camera.name}_{number:04d}"
            made.append((camera.name, maker.view(camera, number, name)))
    return made


def pose_count(camera: Camera, cameras: Sequence[Camera], scene: Scene | None = None) -> int | None:
    """Return the number of poses of a camera for each subject; None = it depends on the scene.

    Parameters
    ----------
    camera : Camera
    cameras : sequence of Camera
        It and all others.
    scene : Scene, optional
    """
    first, poses = first_of_rig(camera, cameras)
    return first.count or poses.count(scene)


@dataclass(frozen=True, eq=False)
class _Maker:
    """Makes the poses of cameras, each pose once."""

    cameras: Mapping[str, Camera]
    scene: Scene
    up_axis: UpAxis
    seed: int
    words: tuple[Word, ...]
    _kept: dict[tuple[str, int], tuple[NDArray[np.float64], Lens]] = field(default_factory=dict)

    def count(self, camera: Camera) -> int:
        return pose_count(camera, [*self.cameras.values()], self.scene) or 0

    def view(self, camera: Camera, number: int, name: str) -> View:
        try:
            pose, lens = self._pose(camera, number)
            lens.check(_MOST_PIXELS)
        except SceneError as error:
            raise SceneError(f"camera {camera.name!r}, pose {number}: {error.message}", error.where) from None
        except RequestError as error:
            raise type(error)(f"camera {camera.name!r}, pose {number}: {error}") from None
        return View(lens, pose, name, camera.amodal_margin)

    def _pose(self, camera: Camera, number: int) -> tuple[NDArray[np.float64], Lens]:
        key = (camera.name, number)
        if key not in self._kept:
            pose, lens = self._make(camera, number)
            if camera.far is None and len(self.scene.placements):
                lens = replace(lens, far=max(lens.far, self._farthest(pose)))
            self._kept[key] = pose, lens
        return self._kept[key]

    def _make(self, camera: Camera, number: int) -> tuple[NDArray[np.float64], Lens]:
        if isinstance(placed := camera.placed_by, Offset):
            other, others_lens = self._pose(self.cameras[placed.of], number)
            lens = self._lens(camera, number) if camera.has_own_lens else others_lens
            return moved(other, placed.translation, placed.rotation_deg), lens
        lens = self._lens(camera, number)
        return self._draw(camera, placed, lens, number), lens

    def _draw(self, camera: Camera, poses: Poses, lens: Lens, number: int) -> NDArray[np.float64]:
        """Draw poses until one passes the checks."""
        is_random = poses.is_random or camera.jitter is not None
        checks = camera.checks or (Checks() if is_random else None)
        count = self.count(camera)
        faults: Counter[str] = Counter()
        for number_of_try in range(checks.tries if checks and is_random else 1):
            rng = generator(self.seed, *self.words, "camera", camera.name, number, "pose", number_of_try)
            made = poses.make(Setting(self.scene, self.up_axis, lens, number, count, rng))
            made = _jittered(made, camera, rng)
            fault = find_fault(made, lens, checks, self.scene) if checks else None
            if fault is None:
                return made.camera_to_world
            faults[fault] += 1
        [(fault, times)] = faults.most_common(1)
        if faults.total() == 1:
            raise RequestError(f"{fault} (checks)")
        raise RequestError(
            f"none of the {faults.total()} poses that were tried passed the checks; in {times} of them, "
            f"{fault}"
        )

    def _lens(self, camera: Camera, number: int) -> Lens:
        document_camera = self._document_camera(camera, number)
        fov_y_deg = camera.fov_y_deg
        if fov_y_deg is not None:
            rng = generator(self.seed, *self.words, "camera", camera.name, number, "lens")
            fov_y_deg = draw(fov_y_deg, rng)
        near = camera.near
        if near is None and (document_camera is None or document_camera.near is None):
            near = self._near()
        request = ViewRequest(
            width=camera.width,
            height=camera.height,
            focal_x=camera.focal_x,
            focal_y=camera.focal_y,
            fov_y_deg=fov_y_deg,
            center_x=camera.center_x,
            center_y=camera.center_y,
            near=near,
            far=camera.far,
        )
        return find_lens(request, document_camera)

    def _document_camera(self, camera: Camera, number: int) -> SceneCamera | None:
        if isinstance(camera.poses, DocumentPoses):
            return camera.poses.find(self.scene, number)
        return None

    def _near(self) -> float | None:
        if not len(self.scene.placements):
            return None
        return min(_NEAR_M, _NEAR * bounds(self.scene).radius) or None

    def _farthest(self, pose: NDArray[np.float64]) -> float:
        extent = bounds(self.scene)
        return _BEYOND * (float(np.linalg.norm(pose[:3, 3] - extent.center)) + extent.radius)


def _in_order(numbers: Sequence[int] | None, count: int) -> Sequence[int]:
    return range(count) if numbers is None else numbers


def _jittered(made: Made, camera: Camera, rng: np.random.Generator) -> Made:
    if camera.jitter is None:
        return made
    shares = [2 * rng.random() - 1 for _ in range(6)]
    translation = [camera.jitter.translation * share for share in shares[:3]]
    rotation_deg = [camera.jitter.rotation_deg * share for share in shares[3:]]
    return replace(made, camera_to_world=moved(made.camera_to_world, translation, rotation_deg))
