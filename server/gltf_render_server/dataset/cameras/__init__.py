"""The cameras of a dataset: tables of a specification, and the views that are made from them.

A kind of poses is a class in ``kinds.py`` or ``paths.py``; it knows how the pose of a number is found. All
else is the same for each: lenses, rigs, jitter, and the checks after which a pose is drawn again.
"""

from .bounds import Bounds, bounds, object_bounds
from .kinds import DocumentPoses, ListPoses
from .making import pose_count, views
from .tables import Camera, Checks, Jitter, Offset, check_cameras, first_of_rig

__all__ = [
    "Bounds",
    "Camera",
    "Checks",
    "DocumentPoses",
    "Jitter",
    "ListPoses",
    "Offset",
    "bounds",
    "check_cameras",
    "first_of_rig",
    "object_bounds",
    "pose_count",
    "views",
]
