"""Poses along a path of way points."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ...scene import Scene
from .matrices import looking_at
from .setting import Made, Point, Setting, Target

__all__ = ["PathPoses", "WayPoint", "path_points"]

_PIECES = 256  # of a segment, by which its length is measured: to 1e-5 of it where it bends by 90 degrees

Points = NDArray[np.float64]


class WayPoint(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a path leads through."""

    eye: Annotated[Point, Meta(description="Position of the camera.")]
    target: Annotated[Point, Meta(description="Point that the camera looks at.")]

    def __post_init__(self) -> None:
        if self.eye == self.target:
            raise ValueError("eye and target are the same point")


class PathPoses(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="path"):
    """A path through way points, in steps of equal length."""

    points: Annotated[list[WayPoint], Meta(min_length=2, max_length=1000)]
    smooth: Annotated[
        bool,
        Meta(description="Whether the path is a Catmull-Rom spline. Otherwise it has straight segments."),
    ] = True
    closed: Annotated[bool, Meta(description="Whether the path returns to its first point.")] = False
    is_random = False
    has_target = True

    def __post_init__(self) -> None:
        for index, (one, other) in enumerate(zip(self.points, self.points[1:], strict=False)):
            if one == other:
                raise ValueError(f"points: points {index} and {index + 1} are the same")
        if self.closed and self.points[0] == self.points[-1]:
            raise ValueError(
                "points: the first and the last point are the same; a closed path must not repeat its "
                "first point"
            )

    def count(self, scene: Scene | None) -> int:
        """Return the number of poses if no count is given."""
        return 1

    def make(self, setting: Setting) -> Made:
        """Return the pose with a number."""
        steps = setting.count if self.closed else max(1, setting.count - 1)
        eye, target = path_points(self, setting.number / steps)
        return Made(looking_at(eye, target, setting.up_axis), Target(target, 0.0))


def path_points(path: PathPoses, share: float) -> tuple[Points, Points]:
    """Return eye and target, (3,) each, after a share of the length of the eye's path.

    Where the eye stays in its place, the target's way counts.
    """
    knots = np.array([[*point.eye, *point.target] for point in path.points], float)
    if path.closed:
        knots = np.concatenate([knots, knots[:1]])
    tangents = _tangents(knots, path.closed) if path.smooth else None
    times = np.arange((len(knots) - 1) * _PIECES + 1) / _PIECES
    curve = _at(knots, tangents, times)
    for columns in (slice(0, 3), slice(3, 6)):
        steps = np.linalg.norm(np.diff(curve[:, columns], axis=0), axis=1)
        if steps.any():
            break
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    time = np.interp(share * lengths[-1], lengths, times)
    [point] = _at(knots, tangents, np.array([time]))
    return point[:3], point[3:]


def _at(knots: Points, tangents: tuple[Points, Points] | None, times: Points) -> Points:
    """Return points of the path at times; 1.5 is in the middle of the second segment."""
    segments = np.minimum(times.astype(int), len(knots) - 2)
    t = (times - segments)[:, None]
    start, end = knots[segments], knots[segments + 1]
    if tangents is None:
        return start + t * (end - start)
    leaving, arriving = tangents[0][segments], tangents[1][segments]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * start
        + t * (1 - t) ** 2 * leaving
        + t**2 * (3 - 2 * t) * end
        - t**2 * (1 - t) * arriving
    )


def _tangents(knots: Points, closed: bool) -> tuple[Points, Points]:
    """Return the tangents of centripetal Catmull-Rom splines at the start and the end of each segment.

    Centripetal: they neither overshoot nor cross themselves within a segment, however uneven the points
    are spread (Yuksel, Schaefer, Keyser: Parameterization and applications of Catmull-Rom curves, 2011).
    """
    spans = np.sqrt(np.linalg.norm(np.diff(knots, axis=0), axis=1))[:, None]
    slopes = np.diff(knots, axis=0) / spans
    before, after = slopes[:-1], slopes[1:]
    across = (knots[2:] - knots[:-2]) / (spans[:-1] + spans[1:])
    inner = before - across + after
    first, last = slopes[:1], slopes[-1:]
    if closed:
        across = (knots[1:2] - knots[-2:-1]) / (spans[:1] + spans[-1:])
        first = last = last - across + first
    all_tangents = np.concatenate([first, inner, last])
    return all_tangents[:-1] * spans, all_tangents[1:] * spans
