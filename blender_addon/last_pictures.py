"""The latest rendered images, for display in the panel; independent of Blender."""

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
        The folder, which is created when it is needed and contains nothing else.
    most : int
        How many files are kept.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    def put(self, number: int, picture: bytes, mimetype: str) -> str:
        """Write an image and remove old ones. Return its path, or an empty text if it is not an image.

        Raises
        ------
        OSError
            The disk is full, or the folder is not writable.
        """
        suffix = _SUFFIXES.get(mimetype)
        if suffix is None:
            return ""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{time.time_ns():020d}-{number}{suffix}"
        file.write_bytes(picture)
        for old in sorted(self._folder.iterdir())[: -self._most]:
            old.unlink(missing_ok=True)  # concurrent requests also remove files
        return str(file)
