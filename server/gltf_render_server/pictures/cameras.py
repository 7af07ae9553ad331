"""The views of a file: automatically framed ones, or those of the file's own cameras."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from ..errors import RequestError
from ..frame import View
from ..http.api import ViewRequest, find_lens
from ..scene import Scene, SceneCamera
from ..settings import UpAxis
from .framing import frame_from_above, frame_orbit

__all__ = ["AUTO", "camera_names", "find_views"]

AUTO = "auto"
"""The name of the automatic camera."""

_LONGEST_NAME = 40
_MOST_LISTED = 20
_MOST_REASONS = 3


def find_views(
    scene: Scene, cameras: Sequence[str], orbit: int | None, size: tuple[int, int], up_axis: UpAxis
) -> list[View]:
    """Return the requested views.

    Parameters
    ----------
    scene : Scene
    cameras : sequence of str
        The names of the scene's cameras, or their numbers as in `camera_names`; or `AUTO`.
    orbit : int or None
        The number of views on a ring around the scene, instead of `AUTO`.
    size : (width, height)
        The size of the image in pixels.
    up_axis : {"y", "z"}

    Raises
    ------
    RequestError
        A camera does not exist or is not perspective, or the scene contains nothing to frame.
    SceneError
        All points of the scene coincide.
    """
    if AUTO in cameras and not len(scene.placements):
        why = "".join(f"; {warning}" for warning in scene.warnings[:_MOST_REASONS])
        raise RequestError(
            f"there is nothing to see: the scene that the file opens with has no mesh of triangles{why}. "
            "Export it with its meshes, or choose another scene in the program that wrote it"
        )
    automatic: list[View] = []
    if AUTO in cameras and orbit is not None:
        automatic = frame_orbit(scene, size, up_axis, orbit)
    elif AUTO in cameras:
        automatic = [frame_from_above(scene, size, up_axis, AUTO)]
    views: list[View] = []
    for camera in dict.fromkeys(cameras):
        if camera == AUTO:
            views += automatic
        else:
            taken = {view.name for view in (*views, *automatic)}
            views.append(_view_of(_find(camera, scene.cameras), size, taken))
    return views


def camera_names(scene: Scene) -> list[str]:
    """Return the name by which each camera is selected; for a camera without a name, its number."""
    names = [camera.name for camera in scene.cameras]
    return [
        name if name and name != AUTO and names.count(name) == 1 else str(number)
        for number, name in enumerate(names)
    ]


def _find(wanted: str, cameras: Sequence[SceneCamera]) -> SceneCamera:
    found = [camera for camera in cameras if camera.name == wanted]
    if not found and wanted.isdecimal() and int(wanted) < len(cameras):
        found = [cameras[int(wanted)]]
    if len(found) == 1:
        return found[0]
    if not cameras:
        raise RequestError(
            f"--camera {wanted}: the file holds no camera; leave the option out, and all of it is shown"
        )
    several = f"{len(found)} cameras have this name" if found else "the file holds no such camera"
    names = [camera.name for camera in cameras]
    close = difflib.get_close_matches(wanted, [name for name in names if name], 1)
    meant = f" Did you mean {close[0]!r}?" if close and not found else ""
    listed = ", ".join(
        f"{number} = {name[:_LONGEST_NAME]!r}" if name else f"{number} (without a name)"
        for number, name in enumerate(names[:_MOST_LISTED])
    )
    rest = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    raise RequestError(
        f"--camera {wanted}: {several}.{meant} It can be asked for by name or number: {listed}{rest}"
    )


def _view_of(camera: SceneCamera, size: tuple[int, int], taken: set[str]) -> View:
    width, height = size
    if camera.y_fov_rad is None:
        raise RequestError(
            f"--camera {camera.name or camera.camera}: it is orthographic, and only perspective cameras are "
            f"rendered; try --camera {AUTO}"
        )
    lens = find_lens(ViewRequest(width=width, height=height), camera)
    return View(lens, camera.camera_to_world, _view_name(camera, taken))


def _view_name(camera: SceneCamera, taken: set[str]) -> str:
    """Return a file name for a view that no other view has, ignoring case."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", camera.name).strip("_")[:_LONGEST_NAME]
    name = name or f"camera_{camera.camera}"
    used = {other.casefold() for other in taken} | {AUTO}
    if name.casefold() not in used:
        return name
    numbers = (f"{name}_{number}" for number in range(2, len(used) + 3))
    return next(other for other in numbers if other.casefold() not in used)
