"""The views of a file: framed here, or those of the cameras that the file holds."""

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
"""The camera that is none of the file's."""

_LONGEST_NAME = 40
_MOST_LISTED = 20
_MOST_REASONS = 3


def find_views(
    scene: Scene, cameras: Sequence[str], orbit: int | None, size: tuple[int, int], up_axis: UpAxis
) -> list[View]:
    """Return the views that are asked for.

    Parameters
    ----------
    scene : Scene
    cameras : sequence of str
        Names of the scene's cameras, or their numbers as `camera_names` has them; or `AUTO`.
    orbit : int or None
        How many views there are around the scene, in the place of `AUTO`.
    size : (width, height)
        In pixels.
    up_axis : {"y", "z"}

    Raises
    ------
    RequestError
        There is no such camera, or it has no perspective; or the scene shows nothing that could be framed.
    SceneError
        All that it shows is in one point.
    """
    if AUTO in cameras and not len(scene.placements):
        why = "".join(f"; {warning}" for warning in scene.warnings[:_MOST_REASONS])
        raise RequestError(
            f"there is nothing to see: the scene that the file opens with has no mesh of triangles{why}. "
            "Export it with its meshes, or choose another scene in the program that wrote it"
        )
    views: list[View] = []
    for camera in dict.fromkeys(cameras):
        if camera != AUTO:
            views.append(_view_of(_find(camera, scene.cameras), size, {view.name for view in views}))
        elif orbit is not None:
            views += frame_orbit(scene, size, up_axis, orbit)
        else:
            views.append(frame_from_above(scene, size, up_axis, AUTO))
    return views


def camera_names(scene: Scene) -> list[str]:
    """Return by what names each of a scene's cameras is asked for; one without a name by its number."""
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
    """Return a name for files that no other view has, whatever the case of its letters."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", camera.name).strip("_")[:_LONGEST_NAME]
    name = name or f"camera_{camera.camera}"
    used = {other.casefold() for other in taken} | {AUTO}
    if name.casefold() not in used:
        return name
    numbers = (f"{name}_{number}" for number in range(2, len(used) + 3))
    return next(other for other in numbers if other.casefold() not in used)
