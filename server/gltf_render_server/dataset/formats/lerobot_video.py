"""The videos of a LeRobot dataset: colour as H.264, depth as lossless HEVC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from .video import H264_OPTIONS, Codec, Colours

__all__ = ["COLOUR", "DEPTH", "DepthScale", "LeRobotCodec"]

_BT601 = 6  # FFmpeg's number for SMPTE 170M
_FRAMES_A_KEYFRAME = "2"  # as in LeRobot, so that readers can seek to any frame
_CODES = 4096
_LARGEST_CODE = _CODES - 1
_NEAREST_M, _FARTHEST_M, _SHIFT_M = 0.01, 10.0, 3.5  # LeRobot's defaults
_ROOM_BEYOND = 1.01


@dataclass(frozen=True)
class LeRobotCodec(Codec):
    """How images become a video, and how `meta/info.json` describes the video.

    Attributes
    ----------
    name : str
        FFmpeg's name of the video codec.
    channels : int
    info : mapping of str to Any
        Further fields of `meta/info.json`, with LeRobot's names.
    """

    name: str
    channels: int
    info: Mapping[str, Any]


COLOUR = LeRobotCodec(
    encoder="libx264",
    name="h264",
    pixels="yuv420p",
    takes="rgb24",
    channels=3,
    options={**H264_OPTIONS, "g": _FRAMES_A_KEYFRAME},
    # LeRobot decodes with this colour space, even if a file names another
    colours=Colours(Colorspace.SMPTE170M, {"colorspace": _BT601}),
    info={"video.crf": 12, "video.preset": "medium", "video.extra_options": {}},
)
DEPTH = LeRobotCodec(
    encoder="libx265",
    name="hevc",
    pixels="gray12le",
    takes="gray12le",
    channels=1,
    options={
        "g": _FRAMES_A_KEYFRAME,
        # info=0: otherwise the video would contain the features of the processor
        "x265-params": "lossless=1:bframes=0:pools=none:frame-threads=1:info=0:log-level=none",
    },
    colours=None,
    info={"video.extra_options": {"x265-params": "lossless=1"}},
)


@dataclass(frozen=True)
class DepthScale:
    """The 12-bit logarithmic scale of depth in LeRobot's `datasets/depth_utils.py`.

    Attributes
    ----------
    farthest_m : float
        The depth of the largest code. All visible surfaces are nearer, so this code means "no surface".
    """

    farthest_m: float

    @staticmethod
    def up_to(farthest_seen_m: float) -> DepthScale:
        """Return LeRobot's default scale, up to 10 m, or a longer one if a visible surface is farther."""
        return DepthScale(max(_FARTHEST_M, _ROOM_BEYOND * farthest_seen_m))

    def codes(self, depth: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Encode planar depth, metres; the ends of the scale stand for 0 (too close) and inf (no surface)."""
        metres = np.clip(depth.astype(np.float64), _NEAREST_M, self.farthest_m)
        low, high = np.log(_NEAREST_M + _SHIFT_M), np.log(self.farthest_m + _SHIFT_M)
        fraction = (np.log(metres + _SHIFT_M) - low) / (high - low)
        return np.rint(fraction * _LARGEST_CODE).astype(np.uint16)

    def metres(self) -> NDArray[np.float64]:
        """Return the depth of each code, (4096,), metres."""
        low, high = np.log(_NEAREST_M + _SHIFT_M), np.log(self.farthest_m + _SHIFT_M)
        return np.exp(low + np.arange(_CODES) / _LARGEST_CODE * (high - low)) - _SHIFT_M

    @property
    def info(self) -> dict[str, Any]:
        """The fields of `meta/info.json` that describe the scale, with LeRobot's names."""
        return {
            "is_depth_map": True,
            "depth_unit": "m",
            "video.depth_min": _NEAREST_M,
            "video.depth_max": self.farthest_m,
            "video.shift": _SHIFT_M,
            "video.use_log": True,
        }
