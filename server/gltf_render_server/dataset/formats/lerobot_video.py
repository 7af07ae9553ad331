"""The videos of a LeRobot dataset: colour as H.264, depth as HEVC without loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from .video import H264_OPTIONS, Codec, Colours

__all__ = ["COLOUR", "DEPTH", "DepthScale", "LeRobotCodec"]

_BT601 = 6  # FFmpeg's number of SMPTE 170M
_FRAMES_A_KEYFRAME = "2"  # as LeRobot has it, so that a reader finds any frame at once
_CODES = 4096
_LARGEST_CODE = _CODES - 1
_NEAREST_M, _FARTHEST_M, _SHIFT_M = 0.01, 10.0, 3.5  # what LeRobot takes where a dataset does not say
_ROOM_BEYOND = 1.01


@dataclass(frozen=True)
class LeRobotCodec(Codec):
    """How pictures become a video, with what LeRobot is told of it.

    Attributes
    ----------
    name : str
        As FFmpeg calls what the encoder writes.
    channels : int
    told : mapping of str to Any
        What `meta/info.json` tells of them, in LeRobot's words.
    """

    name: str
    channels: int
    told: Mapping[str, Any]


COLOUR = LeRobotCodec(
    encoder="libx264",
    name="h264",
    pixels="yuv420p",
    takes="rgb24",
    channels=3,
    options={**H264_OPTIONS, "g": _FRAMES_A_KEYFRAME},
    # what LeRobot decodes as, also where a file names another
    colours=Colours(Colorspace.SMPTE170M, {"colorspace": _BT601}),
    told={"video.crf": 12, "video.preset": "medium", "video.extra_options": {}},
)
DEPTH = LeRobotCodec(
    encoder="libx265",
    name="hevc",
    pixels="gray12le",
    takes="gray12le",
    channels=1,
    options={
        "g": _FRAMES_A_KEYFRAME,
        # info: the encoder would write into the video what the processor can do
        "x265-params": "lossless=1:bframes=0:pools=none:frame-threads=1:info=0:log-level=none",
    },
    colours=None,
    told={"video.extra_options": {"x265-params": "lossless=1"}},
)


@dataclass(frozen=True)
class DepthScale:
    """LeRobot's 12-bit logarithmic scale of depth (its `datasets/depth_utils.py`).

    Attributes
    ----------
    farthest_m : float
        What the largest code says. Whatever is seen is nearer, so that code says that nothing is.
    """

    farthest_m: float

    @staticmethod
    def up_to(farthest_seen_m: float) -> DepthScale:
        """Return LeRobot's own scale, to 10 m, or a longer one if something farther away is seen."""
        return DepthScale(max(_FARTHEST_M, _ROOM_BEYOND * farthest_seen_m))

    def codes(self, depth: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Return the codes of planar depth in metres; 0 = too close, and inf = nothing, become the ends."""
        metres = np.clip(depth.astype(np.float64), _NEAREST_M, self.farthest_m)
        low, high = np.log(_NEAREST_M + _SHIFT_M), np.log(self.farthest_m + _SHIFT_M)
        fraction = (np.log(metres + _SHIFT_M) - low) / (high - low)
        return np.rint(fraction * _LARGEST_CODE).astype(np.uint16)

    def metres(self) -> NDArray[np.float64]:
        """Return what each code says, (4096,)."""
        low, high = np.log(_NEAREST_M + _SHIFT_M), np.log(self.farthest_m + _SHIFT_M)
        return np.exp(low + np.arange(_CODES) / _LARGEST_CODE * (high - low)) - _SHIFT_M

    @property
    def told(self) -> dict[str, Any]:
        """What `meta/info.json` tells of it, in LeRobot's words."""
        return {
            "is_depth_map": True,
            "depth_unit": "m",
            "video.depth_min": _NEAREST_M,
            "video.depth_max": self.farthest_m,
            "video.shift": _SHIFT_M,
            "video.use_log": True,
        }
