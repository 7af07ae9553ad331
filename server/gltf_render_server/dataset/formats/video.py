"""Frames -> an MP4, the same bytes always."""

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

__all__ = ["H264_OPTIONS", "Codec", "Colours", "Video", "even", "even_size"]

H264_OPTIONS = {
    "crf": "12",  # what is left of the pictures is hard to tell from them
    "preset": "medium",
    "bf": "0",  # no frame looks ahead, so that no edit list is needed
    "threads": "1",  # how many there are shows in the bytes
}
_FILE = {"movflags": "faststart", "fflags": "+bitexact"}  # the head comes first, and names no version
_LIMITED = 1
_EXACT_BILINEAR = 0x2 | 0x40000 | 0x80000  # libswscale's BILINEAR, ACCURATE_RND and BITEXACT


@dataclass(frozen=True)
class Colours:
    """How RGB becomes what is encoded, in limited range.

    Attributes
    ----------
    space : Colorspace
        Of PyAV's conversion.
    told : mapping of str to int
        What the file tells of it: attributes of FFmpeg's codec context.
    """

    space: Colorspace
    told: Mapping[str, int]


@dataclass(frozen=True)
class Codec:
    """How pictures become a video.

    Attributes
    ----------
    encoder : str
        As FFmpeg calls it.
    pixels, takes : str
        FFmpeg's names of the formats of pixels that are encoded, and given.
    options : mapping of str to str
        Of the encoder. Neither time nor processor shows in the bytes.
    colours : Colours or None
        None = what is given is encoded as it is.
    """

    encoder: str
    pixels: str
    takes: str
    options: Mapping[str, str]
    colours: Colours | None


def even_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of the video of pictures of a size, (width, height), which has to be even."""
    return width + width % 2, height + height % 2


def even(picture: NDArray[Any]) -> NDArray[Any]:
    """Give a picture an even width and height, as videos have: the last column or row is there twice."""
    height, width = picture.shape[:2]
    if (width, height) == even_size(width, height):
        return picture
    more = ((0, height % 2), (0, width % 2), (0, 0))
    return np.pad(picture, more[: picture.ndim], "edge")


class Video:
    """An MP4 of frames at a steady rate.

    Parameters
    ----------
    path : Path
        Its folder is there.
    codec : Codec
    size : (width, height)
        Of the pictures, px; see `even_size`.
    rate : Fraction
        Frames a second.
    """

    def __init__(self, path: Path, codec: Codec, size: tuple[int, int], rate: Fraction) -> None:
        self._codec = codec
        self._container = av.open(str(path), "w", format="mp4", options=dict(_FILE))
        options = dict(codec.options)
        stream = cast(VideoStream, self._container.add_stream(codec.encoder, rate=rate, options=options))
        stream.width, stream.height = even_size(*size)
        stream.pix_fmt = codec.pixels
        stream.time_base = self._tick = 1 / rate
        if codec.colours is not None:
            for name, value in codec.colours.told.items():
                setattr(stream.codec_context, name, value)
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
        """Add a frame as the codec takes it, (height, width) or (height, width, channels)."""
        pixels = np.ascontiguousarray(even(picture))
        frame = av.VideoFrame.from_ndarray(pixels, format=self._codec.takes)
        if self._codec.colours is not None:
            frame = frame.reformat(
                format=self._codec.pixels,
                dst_colorspace=self._codec.colours.space,
                dst_color_range=ColorRange.MPEG,
                interpolation=_EXACT_BILINEAR,
            )
        frame.pts, frame.time_base = self._frames, self._tick
        self._frames += 1
        self._container.mux(self._stream.encode(frame))
