"""The videos of a LeRobot dataset: colour as H.264, depth as HEVC without loss; the same bytes always."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

__all__ = ["COLOUR", "DEPTH", "Codec", "DepthScale", "Video"]

_BT601 = 6  # SMPTE 170M: what LeRobot decodes as, also where a file names another
_LIMITED = 1
_EXACT_BILINEAR = 0x2 | 0x40000 | 0x80000  # libswscale's BILINEAR, ACCURATE_RND and BITEXACT
_FRAMES_A_KEYFRAME = "2"  # as LeRobot has it, so that a reader finds any frame at once
_CODES = 4096
_LARGEST_CODE = _CODES - 1
_NEAREST_M, _FARTHEST_M, _SHIFT_M = 0.01, 10.0, 3.5  # what LeRobot takes where a dataset does not say
_ROOM_BEYOND = 1.01


@dataclass(frozen=True)
class Codec:
    """How pictures become a video.

    Attributes
    ----------
    encoder, name : str
        As FFmpeg calls the encoder, and what it writes.
    pixels, takes : str
        FFmpeg's names of the formats of pixels that are encoded, and given.
    channels : int
    options : mapping of str to str
        Of the encoder. Neither time nor processor shows in the bytes.
    told : mapping of str to Any
        What `meta/info.json` tells of them, in LeRobot's words.
    """

    encoder: str
    name: str
    pixels: str
    takes: str
    channels: int
    options: Mapping[str, str]
    told: Mapping[str, Any]


COLOUR = Codec(
    encoder="libx264",
    name="h264",
    pixels="yuv420p",
    takes="rgb24",
    channels=3,
    options={"crf": "12", "preset": "medium", "g": _FRAMES_A_KEYFRAME, "bf": "0", "threads": "1"},
    told={"video.crf": 12, "video.preset": "medium", "video.extra_options": {}},
)
DEPTH = Codec(
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
    told={"video.extra_options": {"x265-params": "lossless=1"}},
)


class Video:
    """An MP4 of frames at a steady rate.

    Parameters
    ----------
    path : Path
        Its folder is there.
    codec : Codec
    size : (width, height)
        Of the pictures, px; both even.
    fps : int
    """

    def __init__(self, path: Path, codec: Codec, size: tuple[int, int], fps: int) -> None:
        self._codec = codec
        self._container = av.open(
            str(path), "w", format="mp4", options={"movflags": "faststart", "fflags": "+bitexact"}
        )
        options = dict(codec.options)
        stream = cast(VideoStream, self._container.add_stream(codec.encoder, rate=fps, options=options))
        stream.width, stream.height = size
        stream.pix_fmt = codec.pixels
        stream.time_base = self._tick = Fraction(1, fps)
        if codec.channels > 1:
            stream.codec_context.colorspace = _BT601
            stream.codec_context.color_range = _LIMITED
        self._stream = stream
        self._frames = 0

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def add(self, picture: NDArray[Any]) -> None:
        """Add a frame: (height, width, 3) uint8 sRGB, or (height, width) uint16 codes of depth."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=self._codec.takes)
        if self._codec.channels > 1:
            frame = frame.reformat(
                format=self._codec.pixels,
                dst_colorspace=Colorspace.SMPTE170M,
                dst_color_range=ColorRange.MPEG,
                interpolation=_EXACT_BILINEAR,
            )
        frame.pts, frame.time_base = self._frames, self._tick
        self._frames += 1
        self._container.mux(self._stream.encode(frame))


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
