"""The last pictures that were answered, for the panel to show. Knows nothing of Blender."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["LastPictures"]

_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff"}


class LastPictures:
    """A folder of files whose names sort by time.

    Parameters
    ----------
    folder : Path
        Made when it is needed; nothing else is in it.
    most : int
        How many are left.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    def put(self, number: int, picture: bytes, mimetype: str) -> str:
        """Write a picture, and remove what is too old; return its path, or nothing if it is no picture.

        Raises
        ------
        OSError
            The disk is full, or the folder cannot be written to.
        """
        suffix = _SUFFIXES.get(mimetype)
        if suffix is None:
            return ""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{time.time_ns():020d}-{number}{suffix}"
        file.write_bytes(picture)
        for old in sorted(self._folder.iterdir())[: -self._most]:
            old.unlink(missing_ok=True)  # the other requests of this moment do it, too
        return str(file)
