"""Frames -> an MP4 that every player reads, the same bytes always."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

__all__ = ["Video", "even_size"]

_OPTIONS = {
    "crf": "12",  # what is left of the pictures is hard to tell from them
    "preset": "medium",
    "g": "12",  # so that a reader finds any frame soon
    "bf": "0",  # and needs no edit list
    "threads": "1",  # how many there are shows in the bytes
}
_FILE = {"movflags": "faststart", "fflags": "+bitexact"}  # the head comes first, and names no version
_BT709 = 1
_LIMITED = 1
_EXACT_BILINEAR = 0x2 | 0x40000 | 0x80000  # libswscale's BILINEAR, ACCURATE_RND and BITEXACT


def even_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of the video of pictures of a size, (width, height), which has to be even."""
    return width + width % 2, height + height % 2


class Video:
    """An MP4 of H.264 (libx264, constant rate factor 12), 4:2:0, BT.709, limited range.

    An odd width or height is made even: the last column or row is there twice.

    Parameters
    ----------
    path : Path
    size : (width, height)
        Of the pictures, px.
    rate : Fraction
        Frames a second.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        self._container = av.open(str(path), "w", format="mp4", options=dict(_FILE))
        stream = self._container.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
        stream.width, stream.height = even_size(*size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._stream = stream

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Add a frame, (height, width, 3) uint8, sRGB."""
        height, width = picture.shape[:2]
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT_BILINEAR,
        )
        self._container.mux(self._stream.encode(frame))
