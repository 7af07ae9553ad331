"""Converts pinhole intrinsics to the parameters of Blender's camera."""

from __future__ import annotations

from dataclasses import dataclass

from ..frame import Lens

__all__ = ["BlenderCamera", "blender_camera"]

_SENSOR_WIDTH_MM = 36.0
_SMALLEST_LENS_MM = 1.0
_SMALLEST_CANVAS_PX = 4


@dataclass(frozen=True)
class BlenderCamera:
    """The parameters with which Blender's image has the requested intrinsics.

    Attributes
    ----------
    resolution_x, resolution_y : int
        The size of the canvas, px. It is at least 4 x 4, Blender's minimum. A smaller image is the upper left
        corner of the canvas.
    pixel_aspect_x, pixel_aspect_y : float
        The shape of a pixel. Both are at least 1, as Blender requires.
    lens_mm, sensor_width_mm : float
        For a horizontal sensor fit.
    shift_x, shift_y : float
        As fractions of the canvas's width.
    """

    resolution_x: int
    resolution_y: int
    pixel_aspect_x: float
    pixel_aspect_y: float
    lens_mm: float
    sensor_width_mm: float
    shift_x: float
    shift_y: float


def blender_camera(lens: Lens) -> BlenderCamera:
    """Convert pinhole intrinsics for a camera with horizontal sensor fit.

    ``lens = focal_x sensor_width / width``. The pixel aspect x:y is focal_y:focal_x. The shifts move the
    principal point from the middle of the canvas; shift_y is in units of the displayed width. There is no
    half-pixel offset: both conventions measure positions from the edge of the first pixel.
    """
    width = max(lens.width, _SMALLEST_CANVAS_PX)
    height = max(lens.height, _SMALLEST_CANVAS_PX)
    aspect_y_over_x = lens.focal_x / lens.focal_y
    lens_over_sensor = lens.focal_x / width
    sensor_width_mm = max(_SENSOR_WIDTH_MM, _SMALLEST_LENS_MM / lens_over_sensor)
    return BlenderCamera(
        resolution_x=width,
        resolution_y=height,
        pixel_aspect_x=max(1.0, 1.0 / aspect_y_over_x),
        pixel_aspect_y=max(1.0, aspect_y_over_x),
        lens_mm=lens_over_sensor * sensor_width_mm,
        sensor_width_mm=sensor_width_mm,
        shift_x=(width / 2 - lens.center_x) / width,
        shift_y=(lens.center_y - height / 2) * aspect_y_over_x / width,
    )
