"""Reads selected channels of an OpenEXR file, such as Blender writes.

Without compression, the pixels are stored as they are. Then the file is mapped into memory, and only the
requested channels are copied. Any other file is read by the OpenEXR library. The file format is described at
https://openexr.com/en/latest/OpenEXRFileLayout.html.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import DTypeLike, NDArray

from ..errors import RenderError

__all__ = ["Channels"]

_MAGIC = 20000630
_VERSION, _LONG_NAMES, _PARTS = 2, 0x400, 0x1000
_SCAN_LINES = b"scanlineimage"
_DTYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_LINE_HEAD_BYTES, _PART_NUMBER_BYTES = 8, 4

_Planes = dict[str, NDArray[Any]]
_Header = dict[str, bytes]


class Channels:
    """The channels of an image. Only the requested ones are read if the file is not compressed.

    A channel is identified by its full name, or by the part after the last dots: Blender's full names begin
    with the view layer's name. Release this object before the file is deleted.

    Parameters
    ----------
    path : Path

    Raises
    ------
    RuntimeError, OSError
        The file cannot be read, or an uncompressed file is incomplete.
    """

    def __init__(self, path: Path) -> None:
        planes = _mapped(path)
        self._planes = _by_library(path) if planes is None else planes

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def read(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """Return a channel, (height, width). The array stays valid when the file is deleted.

        Parameters
        ----------
        name : str
        dtype : dtype
            The data type of the array. It must be able to hold the values of the file's type.

        Raises
        ------
        RenderError
            The channel does not exist.
        """
        plane = self._find(name)
        if plane is None:
            raise RenderError(
                f"Blender's output has no channel {name}; its channels are {', '.join(self._planes)}"
            )
        return plane.astype(dtype)

    def _find(self, name: str) -> NDArray[Any] | None:
        found = (plane for known, plane in self._planes.items() if f".{known}".endswith(f".{name}"))
        return next(found, None)


def _mapped(path: Path) -> _Planes | None:
    """Map all channels of the file. Return None if its layout is not the one that Blender writes."""
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _planes(data)
        except (ValueError, LookupError, struct.error):
            return None


def _by_library(path: Path) -> _Planes:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels for part in file.parts for name, channel in part.channels.items()}


def _planes(data: mmap.mmap) -> _Planes:
    magic, version = struct.unpack_from("<2I", data)
    has_parts = bool(version & _PARTS)
    if magic != _MAGIC or version & ~(_LONG_NAMES | _PARTS) != _VERSION:
        raise ValueError("not an image of scan lines")
    headers, table = _headers(data, has_parts=has_parts)
    line_head_bytes = _LINE_HEAD_BYTES + has_parts * _PART_NUMBER_BYTES
    planes: _Planes = {}
    for header in headers:
        height, width = _shape(header)
        channels = _channels(header["channels"])
        line_bytes = line_head_bytes + width * sum(dtype.itemsize for dtype in channels.values())
        start = _start(data, table, height, line_bytes) + line_head_bytes
        table += 8 * height
        for name, dtype in channels.items():
            strides = (line_bytes, dtype.itemsize)
            planes[name] = np.ndarray((height, width), dtype, data, start, strides)
            start += width * dtype.itemsize
    return planes


def _headers(data: mmap.mmap, *, has_parts: bool) -> tuple[list[_Header], int]:
    """Return the attributes of each part, and the position of the line offset tables."""
    headers, position = [], 8
    while not headers or (has_parts and data[position]):
        header: _Header = {}
        while data[position]:
            name, position = _text(data, position)
            _, position = _text(data, position)
            (size,) = struct.unpack_from("<I", data, position)
            header[name] = data[position + 4 : position + 4 + size]
            position += 4 + size
        headers.append(header)
        position += 1
    return headers, position + has_parts


def _shape(header: _Header) -> tuple[int, int]:
    """Return the height and width of a part that consists of plain scan lines."""
    if header["compression"] != b"\0" or header.get("type", _SCAN_LINES) != _SCAN_LINES:
        raise ValueError("compressed, or no scan lines")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    if right < left or bottom < top:
        raise ValueError("no pixels")
    return bottom - top + 1, right - left + 1


def _channels(data: bytes) -> dict[str, np.dtype[Any]]:
    """Return the channels of a part, in the order in which each line contains them."""
    channels, position = {}, 0
    while data[position]:
        name, position = _text(data, position)
        kind, x_sampling, y_sampling = struct.unpack_from("<i4x2i", data, position)
        if (x_sampling, y_sampling) != (1, 1):
            raise ValueError("a channel that has not all pixels")
        channels[name] = _DTYPES[kind]
        position += 16
    return channels


def _start(data: mmap.mmap, table: int, height: int, line_bytes: int) -> int:
    """Return the position of a part's first line; the lines must be contiguous, from the top down.

    Raises
    ------
    OSError
        Lines are missing. The library would only warn, and return an incomplete image.
    """
    # written last: these are zero until the file is complete
    offsets = np.frombuffer(data, "<u8", height, table)
    if int(offsets.min()) <= table or int(offsets.max()) > len(data) - line_bytes:
        raise OSError("the image that Blender wrote is incomplete")
    if (np.diff(offsets) != line_bytes).any():
        raise ValueError("lines in another order")
    return int(offsets[0])


def _text(data: mmap.mmap | bytes, position: int) -> tuple[str, int]:
    """Return a zero-terminated text, and the position after it."""
    end = data.find(b"\0", position)
    if end < 0:
        raise ValueError("cut short")
    return data[position:end].decode(), end + 1
