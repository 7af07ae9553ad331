"""Returns rendered frames to the server: arrays through an in-memory file, all else through the pipe.

A pipe takes three times as long, because the two processes have to alternate between filling and emptying it.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..renderer import RenderedFrame

__all__ = ["ArrayFile", "Stored"]


_MOST_KEPT_BYTES = 16 * 2**20  # reusing memory takes half the time of allocating it


@dataclass(frozen=True)
class Stored:
    """A rendered frame whose arrays are in the in-memory file.

    Attributes
    ----------
    small : bytes
        The frame without its arrays, pickled.
    sizes : tuple of int
        The sizes of the arrays, bytes.
    """

    small: bytes
    sizes: tuple[int, ...]


class ArrayFile:
    """The in-memory file of one worker.

    Both sides open it: the worker stores a frame, then the server loads it.

    Parameters
    ----------
    path : Path
    is_new : bool
        Whether this side creates the file.
    """

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        self._file = path.open("x+b" if is_new else "r+b", buffering=0)

    def store(self, rendered: RenderedFrame) -> RenderedFrame | Stored:
        """Write a frame's arrays. Return what to send: if the file system is full, the frame itself."""
        buffers: list[pickle.PickleBuffer] = []
        small = pickle.dumps(rendered, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
        arrays = [buffer.raw() for buffer in buffers]
        try:
            self._file.seek(0)
            for array in arrays:
                self._write(array)
        except OSError:
            with suppress(OSError):
                self._file.truncate(0)
            return rendered
        return Stored(small, tuple(array.nbytes for array in arrays))

    def load(self, stored: Stored) -> RenderedFrame:
        """Return the frame that was stored last, and free memory that most frames do not need."""
        self._file.seek(0)
        arrays = [self._read(size) for size in stored.sizes]
        if self._file.tell() > _MOST_KEPT_BYTES:
            self._file.truncate(0)
        return pickle.loads(stored.small, buffers=arrays)  # noqa: S301  the worker's own

    def close(self) -> None:
        """Close the file on this side."""
        self._file.close()

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) :]

    def _read(self, size: int) -> memoryview:
        data = memoryview(np.empty(size, np.uint8))
        rest = data
        while rest:
            count = self._file.readinto(rest)
            if not count:
                raise OSError("the result of a render worker is incomplete")
            rest = rest[count:]
        return data
