"""Checks of poses: matrices agree with each other, and project points to where they are annotated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ....frame import Lens
from ..check import Measured, check_scene, check_view
from ..seen import SeenObject, SeenPoint, SeenScene, SeenView

__all__ = ["off_rigid"]

_DEPTH_TOLERANCE = 0.005
"""How far behind the visible surface a keypoint may lie and count as visible, relative to its depth."""

_NOT_RIGID = "the matrix is no rotation with a translation"

_DIGITS = np.array(list(product((0, 1), repeat=3)))

Floats = NDArray[np.float64]


def off_rigid(matrix: Floats) -> float:
    """Return the largest deviation of a matrix from a rotation with a translation; NaN if it has NaN."""
    turn = matrix[:3, :3]
    with np.errstate(all="ignore"):
        squares = np.abs(turn.T @ turn - np.eye(3)).max()
        mirrored = abs(np.linalg.det(turn) - 1) if np.isfinite(turn).all() else np.nan
    return float(np.max([squares, mirrored, np.abs(matrix[3] - (0, 0, 0, 1)).max(), 0 * matrix.sum()]))


@check_view("poses.rigid", "1", 1e-5)
def _rigid(view: SeenView) -> Iterator[Measured]:
    """Poses are rigid: an orthonormal rotation with determinant + 1, and the last row 0 0 0 1."""
    if view.camera_to_world is not None:
        yield Measured(off_rigid(view.camera_to_world), "camera", _NOT_RIGID)
    for when, moment in view.moments.items():
        yield Measured(off_rigid(moment.camera_to_world), f"camera {when}", _NOT_RIGID)
    for each in view.objects:
        if each.is_rigid and each.to_camera is not None:
            yield Measured(off_rigid(each.to_camera), each.where, _NOT_RIGID)


@check_view("poses.chain", "share", 1e-6)
def _chain(view: SeenView) -> Iterator[Measured]:
    """`object_to_camera` is the inverse of `camera_to_world` times the object's matrix."""
    if view.camera_to_world is None:
        return
    turn = view.camera_to_world[:3, :3]
    for each in view.objects:
        if each.matrix is None or each.to_camera is None:
            continue
        with np.errstate(all="ignore"):
            place = each.matrix[:3, 3] - view.camera_to_world[:3, 3]
            expected = turn.T @ np.column_stack([each.matrix[:3, :3], place])
            off = np.abs(expected - each.to_camera[:3])
            # the translation is a difference of positions that may be far from the world's origin
            reach = 1e-9 * np.abs([*each.matrix[:3, 3], *view.camera_to_world[:3, 3]]).max()
            sizes = np.abs(expected[:, :3]).max(), np.abs(expected[:, 3]).max()
            shares = [
                part.max() / max(size, slack, 1e-30)
                for part, size, slack in ((off[:, :3], sizes[0], 0.0), (off[:, 3] - reach, sizes[1], reach))
            ]
        detail = f"the translation is off by {np.linalg.norm(off[:, 3]):.3g} m"
        figure = float(max(0.0, *shares)) if np.isfinite(shares).all() else math.nan
        yield Measured(figure, each.where, detail)


@check_view("poses.project", "px", 0.01)
def _project(view: SeenView) -> Iterator[Measured]:
    """The image positions of each 3D box's centre and corners follow from pose and intrinsics."""
    if view.lens is None:
        return
    for each in view.objects:
        if each.to_camera is None or each.low is None or each.high is None:
            continue
        if each.center is not None:
            middle = _moved(each.to_camera, (each.low + each.high) / 2)
            yield _off_point(view.lens, middle, each.center.position, f"{each.where}, centre")
            off = abs(each.center.depth + middle[2]) / max(1e-9, abs(middle[2]))
            yield Measured(off * view.lens.focal_x, f"{each.where}, depth of the centre")
        if each.corners is not None:
            ends = np.stack([each.low, each.high])
            for index, annotated in enumerate(each.corners[:8]):
                corner = _moved(each.to_camera, ends[_DIGITS[index], range(3)])
                yield _off_point(view.lens, corner, annotated, f"{each.where}, corner {index}")


@check_view("points.visibility", "", 0)
def _visibility(view: SeenView) -> Iterator[Measured]:
    """Points are visible, occluded, outside or behind as depth and the instance image show."""
    lens, depth, numbers = view.lens, view.depth, view.numbers
    if lens is None or depth is None or numbers is None:
        return
    for each in view.objects:
        points = ([each.center] if each.center else []) + list(each.keypoints)
        for point in points:
            expected = _seen_as(point, lens, depth, numbers == each.number if point is each.center else None)
            is_wrong = point.visibility != expected
            detail = f"visibility is {point.visibility}, and should be {expected}" if is_wrong else ""
            yield Measured(1.0 * is_wrong, f"{each.where}, {point.name}", detail)


@check_scene("points.place", "share", 1e-5)
def _place(scene: SeenScene) -> Iterator[Measured]:
    """Each keypoint has the same position on its object in all views.

    Image position, depth and pose give a keypoint's position in the object's axes. The figure is relative to
    the depth.
    """
    first: dict[tuple[int, str], Floats] = {}
    for view in scene.views:
        for each in view.objects:
            for point in each.keypoints:
                place = _in_object(view.lens, each, point)
                if place is None or each.to_camera is None:
                    continue
                known = first.setdefault((each.number, point.name), place)
                if known is not place:
                    off = np.linalg.norm(each.to_camera[:3, :3] @ (place - known)) / abs(point.depth)
                    where = f"{view.where.removeprefix(f'{scene.where}, ')}, {each.where}, {point.name}"
                    yield Measured(
                        float(off), where, "the position on the object differs from that in another view"
                    )


def _seen_as(point: SeenPoint, lens: Lens, depth: Floats, shown: NDArray[np.bool_] | None) -> str:
    if point.position is None:
        return "behind"
    u, v = point.position
    if not (0 <= u < lens.width and 0 <= v < lens.height and lens.near <= point.depth <= lens.far):
        return "outside"
    if shown is not None:
        return "visible" if shown[int(v), int(u)] else "occluded"
    rows, columns = slice(max(0, round(v) - 1), round(v) + 1), slice(max(0, round(u) - 1), round(u) + 1)
    is_seen = point.depth <= float(depth[rows, columns].max()) + _DEPTH_TOLERANCE * point.depth
    return "visible" if is_seen else "occluded"


def _in_object(lens: Lens | None, each: SeenObject, point: SeenPoint) -> Floats | None:
    if lens is None or each.to_camera is None or point.position is None:
        return None
    u, v = point.position
    x, y = (u - lens.center_x) / lens.focal_x, (v - lens.center_y) / lens.focal_y
    place = point.depth * np.array([x, -y, -1.0]) - each.to_camera[:3, 3]
    turn = each.to_camera[:3, :3]
    return np.linalg.solve(turn, place) if np.linalg.cond(turn) < 1e6 else None


def _off_point(lens: Lens, point: Floats, annotated: tuple[float, float] | None, where: str) -> Measured:
    """Measure the error of a point's image position, px; relative if the point is far outside the image."""
    if point[2] >= 0:
        return Measured(
            0.0 if annotated is None else math.inf, where, "has an image position, but is behind the camera"
        )
    u = lens.center_x - lens.focal_x * point[0] / point[2]
    v = lens.center_y + lens.focal_y * point[1] / point[2]
    if annotated is None:
        return Measured(math.inf, where, f"annotated as behind the camera, but is at ({u:.1f}, {v:.1f})")
    beyond = max(1.0, abs(u) / lens.width, abs(v) / lens.height)
    off = math.hypot(u - annotated[0], v - annotated[1]) / beyond
    detail = f"annotated at ({annotated[0]:.3f}, {annotated[1]:.3f}), projected to ({u:.3f}, {v:.3f})"
    return Measured(off, where, detail)


def _moved(matrix: Floats, point: Floats) -> Floats:
    return matrix[:3, :3] @ point + matrix[:3, 3]
