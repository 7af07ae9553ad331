"""The pose of a camera, and the form of a request for its image, as Drake's client writes it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["form_of", "look_at"]


def look_at(eye: ArrayLike, target: ArrayLike = (0.0, 0.0, 0.0)) -> NDArray[np.float64]:
    """Return the (4, 4) pose of a camera or a lamp in a z-up world: x right, y up, looking along its -z."""
    back = np.subtract(eye, target)
    back = back / np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.column_stack([right, np.cross(back, right), back, eye])
    return pose


def form_of(
    image_type: str,
    size: tuple[int, int],
    fov_y_rad: float,
    clipping_m: tuple[float, float],
    depth_range_m: tuple[float, float],
) -> dict[str, str]:
    """Return the form fields of a request, without the scene and its digest.

    Parameters
    ----------
    image_type : {"color", "depth", "label"}
    size : (width, height), px
    fov_y_rad : float
    clipping_m : (near, far)
    depth_range_m : (min_depth, max_depth)
        Sent only for a depth image.
    """
    width, height = size
    focal = height / 2 / math.tan(fov_y_rad / 2)
    numbers = {
        "near": clipping_m[0],
        "far": clipping_m[1],
        "focal_x": focal,
        "focal_y": focal,
        "fov_x": 2 * math.atan(width / 2 / focal),
        "fov_y": fov_y_rad,
        "center_x": (width - 1) / 2,
        "center_y": (height - 1) / 2,
    }
    if image_type == "depth":
        numbers |= {"min_depth": depth_range_m[0], "max_depth": depth_range_m[1]}
    written = {name: f"{number:.6f}" for name, number in numbers.items()}
    return {
        "image_type": image_type,
        "width": str(width),
        "height": str(height),
        **written,
        "submit": "Render",
    }
