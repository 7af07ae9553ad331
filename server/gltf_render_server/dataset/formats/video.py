"""Encodes frames as an MP4; the same frames always give the same bytes."""

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
    "crf": "12",  # nearly indistinguishable from the original
    "preset": "medium",
    "bf": "0",  # without B-frames, no edit list is needed
    "threads": "1",  # the number of threads changes the bytes
}
_FILE = {"movflags": "faststart", "fflags": "+bitexact"}  # the index comes first, and no version is written
_LIMITED = 1
_EXACT_BILINEAR = 0x2 | 0x40000 | 0x80000  # libswscale's BILINEAR, ACCURATE_RND and BITEXACT


@dataclass(frozen=True)
class Colours:
    """How RGB is converted to YUV of limited range.

    Attributes
    ----------
    space : Colorspace
        The colour space that PyAV converts to.
    attributes : mapping of str to int
        Attributes of FFmpeg's codec context, which describe the colour space in the file.
    """

    space: Colorspace
    attributes: Mapping[str, int]


@dataclass(frozen=True)
class Codec:
    """How images become a video.

    Attributes
    ----------
    encoder : str
        FFmpeg's name of the encoder.
    pixels, takes : str
        FFmpeg's names of the pixel formats of the video, and of the frames that are given.
    options : mapping of str to str
        The encoder's options. They make its output independent of time and processor.
    colours : Colours or None
        None = frames are encoded without conversion.
    """

    encoder: str
    pixels: str
    takes: str
    options: Mapping[str, str]
    colours: Colours | None


def even_size(width: int, height: int) -> tuple[int, int]:
    """Return the size, (width, height), of the video of images of a size, rounded up to even numbers."""
    return width + width % 2, height + height % 2


def even(picture: NDArray[Any]) -> NDArray[Any]:
    """Pad an image to an even width and height, as videos need, by repeating the last column or row."""
    height, width = picture.shape[:2]
    if (width, height) == even_size(width, height):
        return picture
    more = ((0, height % 2), (0, width % 2), (0, 0))
    return np.pad(picture, more[: picture.ndim], "edge")


class Video:
    """Writes an MP4 with a constant frame rate.

    Parameters
    ----------
    path : Path
        The file to write, in an existing folder.
    codec : Codec
    size : (width, height)
        The size of the images, px; `even_size` gives that of the video.
    rate : Fraction
        Frames per second.
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
            for name, value in codec.colours.attributes.items():
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
        """Add a frame in the format `codec.takes`, (height, width) or (height, width, channels)."""
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
